package mqtt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// A segment is a file of a fixed size, full of zeros when made, so that appending changes neither its size nor its
// blocks: an fdatasync then writes the page of the record and no journal. A segment that the broker has wholly is kept as
// the spare and becomes the next one; its old records can't be taken for new ones, since every record's checksum covers
// the generation of its segment.
//
//	segment: "EVSPOOL1" | first seq u64 | generation u32 | CRC-32C of those u32 | records
//	record:  length of the event u32 | CRC-32C of generation and all else u32 | seq u64 | stamp i64 | acked u64 | event in msgpack
//
// All little-endian. stamp is when it was appended, in Unix milliseconds of the spool's clock; acked is the newest seq that
// the broker had by then, so that in steady state acknowledgements cost no writes of their own.
const (
	segmentMagic  = "EVSPOOL1"
	segmentHeader = 24
	recordHeader  = 32
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// segment is one open segment file.
type segment struct {
	file  spoolFile
	name  string
	gen   uint32
	first uint64 // lowest seq that it may hold
	last  uint64 // of its newest record that counts; first-1: none
	count int    // records in it
	live  int    // of them, those that the broker does not have
	end   int64  // where the records that count end
	limit int64  // its size
	stamp int64  // of the newest record
}

func segmentName(first uint64) string { return fmt.Sprintf("%020d.seg", first) }

func encodeSegmentHeader(first uint64, gen uint32) []byte {
	b := make([]byte, 0, segmentHeader)
	b = append(b, segmentMagic...)
	b = binary.LittleEndian.AppendUint64(b, first)
	b = binary.LittleEndian.AppendUint32(b, gen)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func decodeSegmentHeader(b []byte) (first uint64, gen uint32, err error) {
	if len(b) < segmentHeader || string(b[:8]) != segmentMagic {
		return 0, 0, errors.New("no segment of this version")
	}
	if crc32.Checksum(b[:20], castagnoli) != binary.LittleEndian.Uint32(b[20:]) {
		return 0, 0, errors.New("its header is damaged")
	}
	return binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint32(b[16:]), nil
}

// record is one event as it lies in a segment.
type record struct {
	seq     uint64
	stamp   int64
	acked   uint64
	payload []byte
}

func (r record) size() int64 { return recordHeader + int64(len(r.payload)) }

// appendRecord encodes r for a segment of generation gen.
func appendRecord(b []byte, gen uint32, r record) []byte {
	start := len(b)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(r.payload)))
	b = append(b, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint64(b, r.seq)
	b = binary.LittleEndian.AppendUint64(b, uint64(r.stamp))
	b = binary.LittleEndian.AppendUint64(b, r.acked)
	b = append(b, r.payload...)
	binary.LittleEndian.PutUint32(b[start+4:], recordSum(gen, b[start:]))
	return b
}

func recordSum(gen uint32, rec []byte) uint32 {
	sum := crc32.Update(0, castagnoli, binary.LittleEndian.AppendUint32(nil, gen))
	sum = crc32.Update(sum, castagnoli, rec[:4])
	return crc32.Update(sum, castagnoli, rec[8:])
}

// errNoRecord: what lies there is no record of this segment.
var errNoRecord = errors.New("no record")

// parseRecord reads the record at the start of b; its payload is a part of b.
func parseRecord(b []byte, gen uint32) (record, error) {
	if len(b) < recordHeader {
		return record{}, errNoRecord
	}
	n := binary.LittleEndian.Uint32(b)
	if n == 0 || n > MaxEventBytes || int64(n)+recordHeader > int64(len(b)) {
		return record{}, errNoRecord
	}
	b = b[:recordHeader+n]
	if recordSum(gen, b) != binary.LittleEndian.Uint32(b[4:]) {
		return record{}, errNoRecord
	}
	return record{
		seq:     binary.LittleEndian.Uint64(b[8:]),
		stamp:   int64(binary.LittleEndian.Uint64(b[16:])),
		acked:   binary.LittleEndian.Uint64(b[24:]),
		payload: b[recordHeader:],
	}, nil
}

// readRecord reads the record at off, with one read where buf is large enough.
func (s *segment) readRecord(off int64, buf []byte) (record, error) {
	n, err := s.file.ReadAt(buf[:min(int64(len(buf)), s.limit-off)], off)
	if err != nil && err != io.EOF {
		return record{}, err
	}
	b := buf[:n]
	if len(b) < recordHeader {
		return record{}, errNoRecord
	}
	if want := recordHeader + int64(binary.LittleEndian.Uint32(b)); want > int64(len(b)) && want <= recordHeader+MaxEventBytes && off+want <= s.limit {
		b = make([]byte, want)
		if n, err := s.file.ReadAt(b, off); err != nil && (err != io.EOF || int64(n) < want) {
			return record{}, err
		}
	}
	return parseRecord(b, s.gen)
}

// scanned is what scanSegment found.
type scanned struct {
	first uint64
	gen   uint32
	// records in order of their place, seq growing; offsets are those of the whole file
	records []scannedRecord
	end     int64 // after the last record
	damaged int64 // bytes between records that are none: a gap inside, not a torn tail
	acked   uint64
}

type scannedRecord struct {
	off, size int64
	seq       uint64
	stamp     int64
}

// scanSegment finds the records of a segment that was read whole. The records end where none follows: that is the tail,
// torn or not. Where one does follow later on, what lies between is damage.
func scanSegment(b []byte) (scanned, error) {
	first, gen, err := decodeSegmentHeader(b)
	if err != nil {
		return scanned{}, err
	}
	s := walk(b, segmentHeader, gen, first)
	s.first = first
	return s, nil
}

// walk finds the records from off on whose seq is at least next.
func walk(b []byte, off int64, gen uint32, next uint64) scanned {
	s := scanned{gen: gen, end: off}
	for off < int64(len(b)) {
		r, err := parseRecord(b[off:], gen)
		if err != nil || r.seq < next {
			found := findRecord(b, off+1, gen, next)
			if found < 0 {
				break
			}
			s.damaged += found - off
			off = found
			continue
		}
		s.records = append(s.records, scannedRecord{off, r.size(), r.seq, r.stamp})
		s.acked = max(s.acked, r.acked)
		next = r.seq + 1
		off += r.size()
		s.end = off
	}
	return s
}

// maxSkip bounds the seq of a record found behind damage: no segment holds more events.
const maxSkip = 1 << 20

// findRecord looks for a record at off or later with a seq of at least next; -1 if there is none.
func findRecord(b []byte, off int64, gen uint32, next uint64) int64 {
	for ; off+recordHeader <= int64(len(b)); off++ {
		// The seq is looked at first: it is right in few places, a checksum is dear.
		seq := binary.LittleEndian.Uint64(b[off+8:])
		if seq < next || seq > next+maxSkip {
			continue
		}
		if _, err := parseRecord(b[off:], gen); err == nil {
			return off
		}
	}
	return -1
}
