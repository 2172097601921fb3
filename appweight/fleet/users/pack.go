package users

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// The kinds of a packed counter: its first byte.
const (
	packedExact     = 0 // uvarints: the number of hashes, and their differences in ascending order
	packedRegisters = 1 // the registers, a byte each, in a deflate stream
)

// A packer turns counters into bytes and back. Registers are close to
// independent draws, so that Huffman codes alone make of them what can be made:
// three bits each.
type packer struct {
	hashes  []uint64
	out     bytes.Buffer
	writer  *flate.Writer
	reader  io.ReadCloser
	scratch []uint8
}

// pack is valid until the next call.
func (p *packer) pack(c *counter) ([]byte, error) {
	p.out.Reset()
	if !c.dense {
		p.hashes = p.hashes[:0]
		for hash := range c.exact {
			p.hashes = append(p.hashes, hash)
		}
		slices.Sort(p.hashes)
		out := binary.AppendUvarint(append(p.out.AvailableBuffer(), packedExact), uint64(len(p.hashes)))
		var before uint64
		for _, hash := range p.hashes {
			out = binary.AppendUvarint(out, hash-before)
			before = hash
		}
		p.out.Write(out)
		return p.out.Bytes(), nil
	}
	p.out.WriteByte(packedRegisters)
	if p.writer == nil {
		var err error
		if p.writer, err = flate.NewWriter(&p.out, flate.HuffmanOnly); err != nil {
			return nil, err
		}
	} else {
		p.writer.Reset(&p.out)
	}
	if _, err := p.writer.Write(c.registers); err != nil {
		return nil, err
	}
	err := p.writer.Close()
	return p.out.Bytes(), err
}

// errPacked is the error of bytes that pack did not make.
var errPacked = errors.New("a minute's users cannot be read")

// maxPacked bounds the bytes of a packed counter of a precision.
func maxPacked(precision int) uint64 { return 1<<precision + 1024 }

// unpack adds the users of a packed counter to c, each once. It takes bytes from
// anywhere; after an error c is of no use.
func (p *packer) unpack(c *counter, packed []byte) error {
	if len(packed) == 0 {
		return errPacked
	}
	switch kind, packed := packed[0], packed[1:]; kind {
	case packedExact:
		return unpackExact(c, packed)
	case packedRegisters:
		return p.unpackRegisters(c, packed)
	default:
		return fmt.Errorf("%w: kind %d", errPacked, kind)
	}
}

func unpackExact(c *counter, packed []byte) error {
	next := func() (uint64, bool) {
		v, n := binary.Uvarint(packed)
		packed = packed[max(n, 0):]
		return v, n > 0
	}
	n, ok := next()
	if !ok || n > uint64(exactLimit(c.precision)) {
		return fmt.Errorf("%w: %d hashes", errPacked, n)
	}
	var hash uint64
	for i := range n {
		more, ok := next()
		if !ok || (more == 0 && i > 0) || more >= 1<<hashBits-hash {
			return fmt.Errorf("%w: hash %d of %d", errPacked, i+1, n)
		}
		hash += more
		c.add(hash)
	}
	if len(packed) > 0 {
		return fmt.Errorf("%w: %d bytes too many", errPacked, len(packed))
	}
	return nil
}

func (p *packer) unpackRegisters(c *counter, packed []byte) error {
	from := bytes.NewReader(packed)
	if p.reader == nil {
		p.reader = flate.NewReader(from)
	} else if err := p.reader.(flate.Resetter).Reset(from, nil); err != nil {
		return err
	}
	if p.scratch == nil {
		p.scratch = make([]uint8, 1<<c.precision+1)
	}
	n, err := io.ReadFull(p.reader, p.scratch[:1<<c.precision+1])
	if !errors.Is(err, io.ErrUnexpectedEOF) || n != 1<<c.precision {
		return fmt.Errorf("%w: not %d registers (%v)", errPacked, 1<<c.precision, err)
	}
	registers := p.scratch[:n]
	if top := slices.Max(registers); top > maxRank(c.precision) {
		return fmt.Errorf("%w: a register of %d", errPacked, top)
	}
	c.approximate()
	for i, rank := range registers {
		c.registers[i] = max(c.registers[i], rank)
	}
	return nil
}
