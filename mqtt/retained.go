package mqtt

import (
	"slices"
	"sync"
)

// retainedStates is what the broker shall keep: the newest payload of each retained topic. It is published anew after
// every connect, since a broker may have lost it or may be another one.
type retainedStates struct {
	mu      sync.Mutex
	states  map[string]*retainedState
	queue   []string // topics whose newest payload is not sent yet, oldest change first
	version uint64
}

type retainedState struct {
	payload []byte
	seq     uint64 // of the event that it comes from; 0: none
	version uint64
	queued  bool
}

// set makes payload the newest of topic; nil removes the topic at the broker and then here. A payload from an older
// event than the present one's is left out, so that a replayed backlog never overwrites news.
func (r *retainedStates) set(topic string, payload []byte, seq uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.states == nil {
		r.states = make(map[string]*retainedState)
	}
	s := r.states[topic]
	if s == nil {
		s = &retainedState{}
		r.states[topic] = s
	}
	if seq != 0 && seq <= s.seq {
		return
	}
	r.version++
	s.payload, s.seq, s.version = payload, seq, r.version
	r.enqueue(topic, s)
}

func (r *retainedStates) enqueue(topic string, s *retainedState) {
	if !s.queued {
		s.queued = true
		r.queue = append(r.queue, topic)
	}
}

// again queues topic once more.
func (r *retainedStates) again(topic string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.states[topic]; s != nil {
		r.enqueue(topic, s)
	}
}

// all queues every topic once more, first before the others.
func (r *retainedStates) all(first string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for t, s := range r.states {
		r.enqueue(t, s)
	}
	if i := slices.Index(r.queue, first); i > 0 {
		copy(r.queue[1:i+1], r.queue[:i])
		r.queue[0] = first
	}
}

// next takes the next state to publish.
func (r *retainedStates) next() (message, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) == 0 {
		return message{}, false
	}
	topic := r.queue[0]
	r.queue = r.queue[1:]
	s := r.states[topic]
	s.queued = false
	return message{topic: topic, payload: s.payload, qos: 1, retained: true, state: s.version}, true
}

// sent forgets a removed topic once the broker has removed it.
func (r *retainedStates) sent(m message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.states[m.topic]; s != nil && s.version == m.state && len(s.payload) == 0 && !s.queued {
		delete(r.states, m.topic)
	}
}

func (r *retainedStates) pending() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.queue) > 0
}
