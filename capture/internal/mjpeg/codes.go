package mjpeg

// shortBits is how long the codes are that one look decodes.
const shortBits = 9

// huffman is a table of codes (T.81, annex C).
type huffman struct {
	set    bool
	values [256]byte
	first  [17]int // the first code of each length
	count  [17]int
	index  [17]int // where its values begin
	// short holds length<<8 | value for every beginning of shortBits bits; 0: longer, or no code.
	short [1 << shortBits]uint16
}

// huffmanTables reads a DHT segment.
func (d *lumaDecoder) huffmanTables(seg []byte) error {
	for len(seg) > 0 {
		if len(seg) < 17 || seg[0]&15 > 3 || seg[0]>>4 > 1 {
			return errBadTables
		}
		t := &d.huffDC[seg[0]&15]
		if seg[0]>>4 == 1 {
			t = &d.huffAC[seg[0]&15]
		}
		n, err := t.read(seg[1:])
		if err != nil {
			return err
		}
		seg = seg[1+n:]
	}
	return nil
}

// read fills the table from 16 counts and the values, and returns how many bytes those are.
func (t *huffman) read(seg []byte) (int, error) {
	*t = huffman{set: true}
	code, values := 0, 0
	for n := 1; n <= 16; n++ {
		t.count[n], t.first[n], t.index[n] = int(seg[n-1]), code, values
		code += t.count[n]
		values += t.count[n]
		if code > 1<<n || values > 256 {
			return 0, errBadTables
		}
		code <<= 1
	}
	if len(seg) < 16+values {
		return 0, errBadTables
	}
	copy(t.values[:], seg[16:16+values])
	for n := 1; n <= shortBits; n++ {
		for i := range t.count[n] {
			from := (t.first[n] + i) << (shortBits - n)
			for k := range 1 << (shortBits - n) {
				t.short[from+k] = uint16(n)<<8 | uint16(t.values[t.index[n]+i])
			}
		}
	}
	return 16 + values, nil
}
