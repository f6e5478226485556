package world

// travel is where an object of class c is in each frame when it does m. One of
// each pair of opposite motions is made and, for the other, played backwards.
func travel(g *rng, c Class, m Motion) [Frames]place {
	const edge = Size * unit
	scale := g.between(870, 1229) // 1024 is 1
	w, h := baseSize[c][0]*unit*scale/1024, baseSize[c][1]*unit*scale/1024
	base := g.between(52*unit, 108*unit)
	var p [Frames]place
	switch m {
	case Still:
		cx := g.between(w/2, edge-w/2)
		for t := range p {
			p[t] = place{cx, base, w, h}
		}
	case Left, Right:
		room := edge - w
		d := g.between(min(26*unit, room*6/10), min(62*unit, room))
		a := g.between(0, room-d) + w/2
		f0, f1 := g.intn(2), 6+g.intn(2)
		drift := g.between(-5*unit, 5*unit)
		for t := range p {
			p[t] = place{a + d*clamp(t-f0, 0, f1-f0)/(f1-f0), base + drift*t/(Frames-1), w, h}
		}
	case Closer, Away:
		f0, f1 := g.intn(2), 6+g.intn(2)
		octaves := g.between(827, 1165) // growth 1.75 .. 2.2
		near := 635 * exp2(octaves) >> 16
		wm := w * near / 1024
		a := g.between(wm/2, edge-wm/2)
		b := clamp(a+g.between(-7*unit, 7*unit), wm/2, edge-wm/2)
		b1, rise := g.between(72*unit, 108*unit), g.between(6*unit, 22*unit)
		for t := range p {
			u := 1024 * clamp(t-f0, 0, f1-f0) / (f1 - f0)
			k := 635 * exp2(octaves*u/1024) >> 16 // 0.62 of 1024 when farthest
			p[t] = place{a + (b-a)*u/1024, b1 - rise*(1024-u)/1024, w * k / 1024, h * k / 1024}
		}
	case Arrives, Leaves:
		f0, f1 := 1+g.intn(2), 5+g.intn(3)
		a := -w/2 - 2*unit
		b := g.between(w/2+4*unit, min(edge-w/2, w/2+60*unit))
		mirror := g.chance(50)
		for t := range p {
			cx := a + (b-a)*clamp(t-f0, 0, f1-f0)/(f1-f0)
			if mirror {
				cx = edge - cx
			}
			p[t] = place{cx, base, w, h}
		}
	}
	if m == Left || m == Away || m == Leaves {
		for i, j := 0, Frames-1; i < j; i, j = i+1, j-1 {
			p[i], p[j] = p[j], p[i]
		}
	}
	return p
}

// exp2 is 2^(x/1024) in 1/65536, for 0 <= x < 2048.
func exp2(x int) int {
	v := 1 << 30
	for i, f := range exp2Steps {
		if x>>(9-i)&1 == 1 {
			v = v * f >> 30
		}
	}
	return v << (x >> 10) >> 14
}

// exp2Steps are 2^(1/2), 2^(1/4) .. 2^(1/1024) in 1/2^30.
var exp2Steps = [10]int{
	1414213562 << 30 / 1_000_000_000, 1189207115 << 30 / 1_000_000_000, 1090507733 << 30 / 1_000_000_000, 1044273782 << 30 / 1_000_000_000,
	1021897149 << 30 / 1_000_000_000, 1010889286 << 30 / 1_000_000_000, 1005429901 << 30 / 1_000_000_000, 1002711275 << 30 / 1_000_000_000,
	1001354720 << 30 / 1_000_000_000, 1000677131 << 30 / 1_000_000_000,
}
