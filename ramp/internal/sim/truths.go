package sim

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"sync"
)

// dynamics changes whenever the engine or the truth's definition does; what
// was measured with another is measured again.
const dynamics = 3

// Truths keeps truths, since one takes as long as a hundred searches.
type Truths struct {
	// Dir is a folder to keep them in between runs; "" for memory only.
	Dir string

	mu   sync.Mutex
	kept map[string]Truth
}

// Of is the server's truth, from memory, from the folder, or measured now.
func (t *Truths) Of(s *Server) Truth {
	key := s.key("truth")
	t.mu.Lock()
	truth, ok := t.kept[key]
	t.mu.Unlock()
	if ok {
		return truth
	}
	if !t.read(key, &truth) {
		truth = s.Truth()
		t.write(key, truth)
	}
	t.Know(s, truth)
	return truth
}

// Know keeps, in memory, a truth that was measured elsewhere.
func (t *Truths) Know(s *Server, truth Truth) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kept == nil {
		t.kept = map[string]Truth{}
	}
	t.kept[s.key("truth")] = truth
}

// Hangover is the server's TruthHangover, from the folder or measured now.
func (t *Truths) Hangover(s *Server) float64 {
	var rate float64
	if key := s.key("hangover"); !t.read(key, &rate) {
		rate = s.TruthHangover()
		t.write(key, rate)
	}
	return rate
}

// Fingerprint is of all that was drawn about the server and of the model: a
// truth measured under another one is another server's.
func (s *Server) Fingerprint() string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %v %v", dynamics, s.seed(), s.p)
	return fmt.Sprintf("%016x", h.Sum64())
}

func (s *Server) key(what string) string {
	return fmt.Sprintf("%s-%s-%d-%s.json", what, s.Stratum.Short(), s.Number, s.Fingerprint())
}

func (t *Truths) read(key string, v any) bool {
	if t.Dir == "" {
		return false
	}
	b, err := os.ReadFile(filepath.Join(t.Dir, key))
	return err == nil && json.Unmarshal(b, v) == nil
}

// write keeps what it can; a folder that cannot be written costs time only.
func (t *Truths) write(key string, v any) {
	if t.Dir == "" {
		return
	}
	b, err := json.Marshal(v)
	if err != nil || os.MkdirAll(t.Dir, 0o755) != nil {
		return
	}
	name := filepath.Join(t.Dir, key)
	if os.WriteFile(name+".new", b, 0o644) == nil {
		_ = os.Rename(name+".new", name) // another process may have the same result
	}
}
