/* A QEMU TCG plugin that counts the guest instructions of an arm64 program, in total and by the symbol they ran in.
 *
 * Build: gcc -O2 -shared -fPIC -o insncount.so insncount.c
 * Use:   qemu-aarch64 -cpu cortex-a76 -d plugin -D counts.txt -plugin ./insncount.so,top=20 PROGRAM
 *
 * Counts are exact for a guest with one thread. Start-up is in them: run the work N and 2N times and subtract.
 * Declares what it needs of the plugin interface, version 1 (QEMU 4.2 to 8.x), because Debian's qemu-user ships no header. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
typedef struct qemu_info_t qemu_info_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
extern const char *qemu_plugin_insn_symbol(const struct qemu_plugin_insn *insn);
extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, void (*cb)(qemu_plugin_id_t, struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int op, void *counter, uint64_t amount);
extern void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*cb)(qemu_plugin_id_t, void *), void *data);
extern void qemu_plugin_outs(const char *text);
enum { INLINE_ADD_U64 = 0 };

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

/* One translated block: how often it ran, how many instructions it holds, where it is. */
struct block {
	uint64_t runs;
	size_t insns;
	const char *symbol;
	struct block *next;
};
static struct block *blocks;
static size_t nblocks;
static long top = 20;

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	struct block *b = calloc(1, sizeof *b);
	if (!b)
		return;
	b->insns = qemu_plugin_tb_n_insns(tb);
	const char *symbol = b->insns ? qemu_plugin_insn_symbol(qemu_plugin_tb_get_insn(tb, 0)) : NULL;
	b->symbol = symbol ? strdup(symbol) : "?";
	b->next = blocks;
	blocks = b;
	nblocks++;
	qemu_plugin_register_vcpu_tb_exec_inline(tb, INLINE_ADD_U64, &b->runs, 1);
}

struct sum {
	const char *symbol;
	uint64_t insns;
};

static int by_symbol(const void *a, const void *b)
{
	return strcmp(((const struct sum *)a)->symbol, ((const struct sum *)b)->symbol);
}

static int by_count(const void *a, const void *b)
{
	uint64_t x = ((const struct sum *)a)->insns, y = ((const struct sum *)b)->insns;
	return x < y ? 1 : x > y ? -1 : 0;
}

static void print(const char *symbol, uint64_t insns)
{
	char line[256];
	snprintf(line, sizeof line, "INSN %lu %.160s\n", (unsigned long)insns, symbol);
	qemu_plugin_outs(line);
}

static void finished(qemu_plugin_id_t id, void *data)
{
	struct sum *sums = calloc(nblocks + 1, sizeof *sums);
	if (!sums)
		return;
	size_t n = 0, merged = 0;
	uint64_t total = 0;
	for (struct block *b = blocks; b; b = b->next, n++) {
		sums[n].symbol = b->symbol;
		sums[n].insns = b->runs * b->insns;
		total += sums[n].insns;
	}
	qsort(sums, n, sizeof *sums, by_symbol);
	for (size_t i = 0; i < n; i++) {
		if (merged && !strcmp(sums[merged - 1].symbol, sums[i].symbol))
			sums[merged - 1].insns += sums[i].insns;
		else
			sums[merged++] = sums[i];
	}
	qsort(sums, merged, sizeof *sums, by_count);
	print("TOTAL", total);
	for (size_t i = 0; i < merged && (long)i < top; i++)
		print(sums[i].symbol, sums[i].insns);
	free(sums);
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		if (!strncmp(argv[i], "top=", 4))
			top = strtol(argv[i] + 4, NULL, 10);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, finished, NULL);
	return 0;
}
