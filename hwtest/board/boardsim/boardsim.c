// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * boardsim: pins and an INA219 for tests, since Debian's arm64 kernel has neither gpio-sim nor i2c-stub (and the latter speaks
 * SMBus only). One platform device, "boardsim"; what happens outside is written to its sysfs attributes:
 *
 *   levels      w "N V": line N is driven to V from outside; r: the levels of all lines, line 7 first
 *   directions  r: i or o for each line, line 7 first
 *   mv, ma      supply in millivolts, current in milliamperes through 0.1 ohm
 *   fail        "ERRNO COUNT": the next COUNT transfers fail with ERRNO; COUNT below 0 is all, 0 none
 *   brownout    w: the chip forgets its registers
 */
#include <linux/gpio/driver.h>
#include <linux/i2c.h>
#include <linux/irq.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/version.h>

#define LINES 8
#define INA_ADDR 0x40
#define INA_POWER_ON 0x399f

struct boardsim {
	struct gpio_chip gc;
	struct i2c_adapter adap;
	struct mutex lock;
	bool out[LINES], level[LINES], masked[LINES];
	unsigned int type[LINES];
	int mv, ma, fail_errno, fail_count;
	u16 conf, cal;
	u8 ptr;
};

static const char *const names[LINES] = { "SIM0", "SIM1", "SIM2", "SIM3", "SIM4", "SIM5", "SIM6", "SIM7" };

static int sim_get_direction(struct gpio_chip *gc, unsigned int n)
{
	struct boardsim *s = gpiochip_get_data(gc);

	return s->out[n] ? GPIO_LINE_DIRECTION_OUT : GPIO_LINE_DIRECTION_IN;
}

static int sim_input(struct gpio_chip *gc, unsigned int n)
{
	struct boardsim *s = gpiochip_get_data(gc);

	s->out[n] = false;
	return 0;
}

static int sim_output(struct gpio_chip *gc, unsigned int n, int v)
{
	struct boardsim *s = gpiochip_get_data(gc);

	s->out[n] = true;
	s->level[n] = v;
	return 0;
}

static int sim_get(struct gpio_chip *gc, unsigned int n)
{
	struct boardsim *s = gpiochip_get_data(gc);

	return s->level[n];
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
static int sim_set(struct gpio_chip *gc, unsigned int n, int v)
{
	struct boardsim *s = gpiochip_get_data(gc);

	s->level[n] = v;
	return 0;
}
#else
static void sim_set(struct gpio_chip *gc, unsigned int n, int v)
{
	struct boardsim *s = gpiochip_get_data(gc);

	s->level[n] = v;
}
#endif

static void sim_irq_mask(struct irq_data *d)
{
	struct gpio_chip *gc = irq_data_get_irq_chip_data(d);
	struct boardsim *s = gpiochip_get_data(gc);

	s->masked[irqd_to_hwirq(d)] = true;
	gpiochip_disable_irq(gc, irqd_to_hwirq(d));
}

static void sim_irq_unmask(struct irq_data *d)
{
	struct gpio_chip *gc = irq_data_get_irq_chip_data(d);
	struct boardsim *s = gpiochip_get_data(gc);

	gpiochip_enable_irq(gc, irqd_to_hwirq(d));
	s->masked[irqd_to_hwirq(d)] = false;
}

static int sim_irq_set_type(struct irq_data *d, unsigned int type)
{
	struct gpio_chip *gc = irq_data_get_irq_chip_data(d);
	struct boardsim *s = gpiochip_get_data(gc);

	if (type & ~IRQ_TYPE_EDGE_BOTH)
		return -EINVAL;
	s->type[irqd_to_hwirq(d)] = type;
	return 0;
}

static const struct irq_chip sim_irq = {
	.name = "boardsim",
	.irq_mask = sim_irq_mask,
	.irq_unmask = sim_irq_unmask,
	.irq_set_type = sim_irq_set_type,
	.flags = IRQCHIP_IMMUTABLE,
	GPIOCHIP_IRQ_RESOURCE_HELPERS,
};

static void sim_drive(struct boardsim *s, unsigned int n, bool v)
{
	bool rises = !s->level[n] && v, falls = s->level[n] && !v;
	unsigned long flags;

	if (s->out[n])
		return;
	s->level[n] = v;
	if (s->masked[n] || !((rises && (s->type[n] & IRQ_TYPE_EDGE_RISING)) || (falls && (s->type[n] & IRQ_TYPE_EDGE_FALLING))))
		return;
	local_irq_save(flags);
	generic_handle_domain_irq(s->gc.irq.domain, n);
	local_irq_restore(flags);
}

static u16 sim_reg(struct boardsim *s)
{
	int shunt = s->ma * 10; /* 10 uV a step, 0.1 ohm */
	int current_reg = shunt * s->cal / 4096;

	switch (s->ptr) {
	case 0:
		return s->conf;
	case 1:
		return shunt;
	case 2:
		return (s->mv / 4) << 3 | 2 | (current_reg > 32767 || current_reg < -32768);
	case 4:
		return current_reg;
	case 5:
		return s->cal;
	}
	return 0;
}

static int sim_xfer(struct i2c_adapter *adap, struct i2c_msg *m, int n)
{
	struct boardsim *s = i2c_get_adapdata(adap);
	int i, ret = n;

	mutex_lock(&s->lock);
	if (s->fail_count) {
		if (s->fail_count > 0)
			s->fail_count--;
		ret = -s->fail_errno;
	}
	for (i = 0; i < n && ret > 0; i++, m++) {
		if (m->addr != INA_ADDR) {
			ret = -ENXIO;
		} else if (m->flags & I2C_M_RD) {
			u16 v = sim_reg(s);

			if (m->len > 0)
				m->buf[0] = v >> 8;
			if (m->len > 1)
				m->buf[1] = v;
		} else {
			if (m->len > 0)
				s->ptr = m->buf[0];
			if (m->len > 2 && s->ptr == 0)
				s->conf = m->buf[1] << 8 | m->buf[2];
			if (m->len > 2 && s->ptr == 5)
				s->cal = (m->buf[1] << 8 | m->buf[2]) & ~1;
		}
	}
	mutex_unlock(&s->lock);
	return ret;
}

static u32 sim_func(struct i2c_adapter *adap)
{
	return I2C_FUNC_I2C | I2C_FUNC_SMBUS_EMUL;
}

static const struct i2c_algorithm sim_algo = { .master_xfer = sim_xfer, .functionality = sim_func };

static ssize_t levels_store(struct device *dev, struct device_attribute *a, const char *buf, size_t len)
{
	unsigned int n, v;

	if (sscanf(buf, "%u %u", &n, &v) != 2 || n >= LINES)
		return -EINVAL;
	sim_drive(dev_get_drvdata(dev), n, v);
	return len;
}

static ssize_t levels_show(struct device *dev, struct device_attribute *a, char *buf)
{
	struct boardsim *s = dev_get_drvdata(dev);
	int i;

	for (i = 0; i < LINES; i++)
		buf[i] = s->level[LINES - 1 - i] ? '1' : '0';
	buf[LINES] = '\n';
	return LINES + 1;
}
static DEVICE_ATTR_RW(levels);

static ssize_t directions_show(struct device *dev, struct device_attribute *a, char *buf)
{
	struct boardsim *s = dev_get_drvdata(dev);
	int i;

	for (i = 0; i < LINES; i++)
		buf[i] = s->out[LINES - 1 - i] ? 'o' : 'i';
	buf[LINES] = '\n';
	return LINES + 1;
}
static DEVICE_ATTR_RO(directions);

static ssize_t mv_store(struct device *dev, struct device_attribute *a, const char *buf, size_t len)
{
	struct boardsim *s = dev_get_drvdata(dev);
	int err = kstrtoint(buf, 0, &s->mv);

	return err ? err : len;
}
static DEVICE_ATTR_WO(mv);

static ssize_t ma_store(struct device *dev, struct device_attribute *a, const char *buf, size_t len)
{
	struct boardsim *s = dev_get_drvdata(dev);
	int err = kstrtoint(buf, 0, &s->ma);

	return err ? err : len;
}
static DEVICE_ATTR_WO(ma);

static ssize_t fail_store(struct device *dev, struct device_attribute *a, const char *buf, size_t len)
{
	struct boardsim *s = dev_get_drvdata(dev);
	int err, count;

	if (sscanf(buf, "%d %d", &err, &count) != 2 || err <= 0 || err > 133)
		return -EINVAL;
	mutex_lock(&s->lock);
	s->fail_errno = err;
	s->fail_count = count;
	mutex_unlock(&s->lock);
	return len;
}
static DEVICE_ATTR_WO(fail);

static ssize_t brownout_store(struct device *dev, struct device_attribute *a, const char *buf, size_t len)
{
	struct boardsim *s = dev_get_drvdata(dev);

	mutex_lock(&s->lock);
	s->conf = INA_POWER_ON;
	s->cal = 0;
	mutex_unlock(&s->lock);
	return len;
}
static DEVICE_ATTR_WO(brownout);

static struct attribute *sim_attrs[] = {
	&dev_attr_levels.attr, &dev_attr_directions.attr, &dev_attr_mv.attr,
	&dev_attr_ma.attr,     &dev_attr_fail.attr,	  &dev_attr_brownout.attr,
	NULL,
};
ATTRIBUTE_GROUPS(sim);

static void sim_del_adapter(void *adap)
{
	i2c_del_adapter(adap);
}

static int sim_probe(struct platform_device *pdev)
{
	struct boardsim *s = devm_kzalloc(&pdev->dev, sizeof(*s), GFP_KERNEL);
	struct gpio_irq_chip *girq;
	int err;

	if (!s)
		return -ENOMEM;
	mutex_init(&s->lock);
	platform_set_drvdata(pdev, s);
	s->conf = INA_POWER_ON;
	s->mv = 5000;
	s->gc = (struct gpio_chip){
		.label = "boardsim", .parent = &pdev->dev, .owner = THIS_MODULE, .base = -1, .ngpio = LINES, .names = names,
		.get_direction = sim_get_direction, .direction_input = sim_input, .direction_output = sim_output,
		.get = sim_get, .set = sim_set,
	};
	girq = &s->gc.irq;
	gpio_irq_chip_set_chip(girq, &sim_irq);
	girq->handler = handle_simple_irq;
	girq->default_type = IRQ_TYPE_NONE;
	err = devm_gpiochip_add_data(&pdev->dev, &s->gc, s);
	if (err)
		return err;
	s->adap.owner = THIS_MODULE;
	s->adap.algo = &sim_algo;
	s->adap.dev.parent = &pdev->dev;
	strscpy(s->adap.name, "boardsim", sizeof(s->adap.name));
	i2c_set_adapdata(&s->adap, s);
	err = i2c_add_adapter(&s->adap);
	if (err)
		return err;
	return devm_add_action_or_reset(&pdev->dev, sim_del_adapter, &s->adap);
}

static struct platform_driver sim_driver = {
	.probe = sim_probe,
	.driver = { .name = "boardsim", .dev_groups = sim_groups },
};

static struct platform_device *sim_device;

static int __init sim_init(void)
{
	int err = platform_driver_register(&sim_driver);

	if (err)
		return err;
	sim_device = platform_device_register_simple("boardsim", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(sim_device)) {
		platform_driver_unregister(&sim_driver);
		return PTR_ERR(sim_device);
	}
	return 0;
}

static void __exit sim_exit(void)
{
	platform_device_unregister(sim_device);
	platform_driver_unregister(&sim_driver);
}

module_init(sim_init);
module_exit(sim_exit);
MODULE_DESCRIPTION("pins and a power monitor for edgevlm's tests");
MODULE_LICENSE("Dual MIT/GPL");
