package token

import "unicode/utf8"

// GPT-2's table writes each byte as a printable character: printable Latin-1
// bytes as themselves, the others as U+0100 onwards in order.

// unmapped is the byte that r stands for, or -1.
func unmapped(r rune) int {
	switch {
	case selfMapped(r):
		return int(r)
	case r < 0x100 || r >= 0x100+68:
		return -1
	case r < 0x100+33:
		return int(r - 0x100)
	case r < 0x100+67:
		return int(r-0x100-33) + 127
	}
	return 173
}

func selfMapped(r rune) bool {
	return r >= '!' && r <= '~' || r >= 0xa1 && r <= 0xff && r != 0xad
}

// appendUnmapped undoes the table; characters outside it stay as they are.
func appendUnmapped(dst []byte, s string) []byte {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if b := unmapped(r); b >= 0 {
			dst = append(dst, byte(b))
		} else {
			dst = append(dst, s[i:i+n]...)
		}
		i += n
	}
	return dst
}
