package game

import (
	"reflect"
	"slices"
	"unsafe"
)

// Event is something that happens at one tick and is not state: a shot, a
// sound, a line of the log. Clients apply the events of a tick after its state.
type Event[T any] struct {
	w    *World
	num  uint8
	plan *plan
}

// EventOption is a property of an event, given to NewEvent.
type EventOption func(*eventType)

// Fleeting marks an event that is worthless when late: it is dropped rather
// than sent to a viewer who lags.
func Fleeting() EventOption { return func(e *eventType) { e.fleeting = true } }

// eventType is what the engine keeps of one Event.
type eventType struct {
	plan     *plan
	fleeting bool
	warned   bool // a number that is not finite was told
}

// outbox holds the events since the last capture.
type outbox struct {
	records []EventRecord
	lanes   []int32
	full    bool
}

// NewEvent defines an event of the kind, under the rules of NewTable. All
// fields of T are exported and sent.
func NewEvent[T any](w *World, name string, options ...EventOption) *Event[T] {
	var et eventType
	for _, o := range options {
		o(&et)
	}
	et.plan = w.plans.eventPlan(name, reflect.TypeFor[T](), et.fleeting)
	w.events = append(w.events, et)
	return &Event[T]{w: w, num: uint8(len(w.events) - 1), plan: et.plan}
}

// All tells everyone. The event is taken as v is now.
func (e *Event[T]) All(v T) { e.w.emit(e.num, 0, Everyone, unsafe.Pointer(&v)) }

// Teams tells those who are in one of the teams at this tick.
func (e *Event[T]) Teams(to Teams, v T) { e.w.emit(e.num, 0, to, unsafe.Pointer(&v)) }

// To tells player p alone; an empty seat hears nothing.
func (e *Event[T]) To(p PlayerID, v T) {
	if e.w.taken(p) {
		e.w.emit(e.num, p, Nobody, unsafe.Pointer(&v))
	}
}

// emit captures the event's value at once, so that nothing of it is shared with
// the game afterwards.
func (w *World) emit(num uint8, to PlayerID, teams Teams, v unsafe.Pointer) {
	et := &w.events[num]
	if to == 0 && teams == Nobody {
		return
	}
	o := &w.out
	lane, n := len(o.lanes), et.plan.row.Lanes
	if len(o.records) >= MaxTickEvents || lane+n > MaxTickEventLanes {
		if !o.full {
			o.full = true
			w.warning("too many events in one tick: the rest was dropped")
		}
		return
	}
	o.lanes = slices.Grow(o.lanes, n)[:lane+n]
	clear(o.lanes[lane:])
	if w.onLoss != nil {
		et.plan.losses(v, nil, true, Loss{Event: true, Type: int(num)}, w.onLoss)
	}
	if bad, at := et.plan.capture(v, o.lanes[lane:]); bad > 0 {
		w.notFinite(&et.warned, et.plan, bad, at)
	}
	o.records = append(o.records, EventRecord{
		Type: num, Fleeting: et.fleeting, To: to, Teams: teams, Lane: int32(lane), Lanes: int32(n),
	})
}

// dropTo forgets what was for p alone; the lanes stay until the capture.
func (o *outbox) dropTo(p PlayerID) {
	o.records = slices.DeleteFunc(o.records, func(r EventRecord) bool { return r.To == p })
}

// capture moves the events into e.
func (o *outbox) capture(e *Entry) {
	e.Events = append(e.Events[:0], o.records...)
	e.EventLanes = append(e.EventLanes[:0], o.lanes...)
	o.records, o.lanes, o.full = o.records[:0], o.lanes[:0], false
}
