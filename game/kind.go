package game

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
)

// Kind is a sort of game that rooms can be made of: its name, options and
// rules. It is immutable and may be used by any goroutine.
type Kind struct {
	name  string
	opts  Options
	input reflect.Type
	// start runs the kind's New in w and returns the erased rules, nil when
	// New gave no game.
	start func(w *World, in *plan) rules

	once   sync.Once
	err    error
	schema *Schema
	tables []*plan
	events []*plan
	in     *plan
	layout *layout
}

// Define records a kind of game: its name (a-z, 0-9, - and _), its options and
// its New, which defines the tables, values and events of a room in w and
// returns the rules. I is the struct of one player's input. Nothing is run and
// nothing can fail before Kind.Check; a package may call Define at its top.
//
// New must not add rows (see Starter) and must define the same things each time.
func Define[I any](name string, o Options, newGame func(w *World) Game[I]) *Kind {
	k := &Kind{name: name, opts: o.withDefaults(), input: reflect.TypeFor[I]()}
	k.start = func(w *World, in *plan) rules {
		if newGame == nil {
			return nil
		}
		g := newGame(w)
		if g == nil {
			return nil
		}
		return newRuleSet(w, g, in)
	}
	return k
}

// Name is the kind's name.
func (k *Kind) Name() string { return k.name }

// Options are the kind's options with their defaults filled in.
func (k *Kind) Options() Options { return k.opts }

// Schema is what the kind replicates, shared and constant. It fails as Check
// does.
func (k *Kind) Schema() (*Schema, error) {
	if err := k.Check(); err != nil {
		return nil, err
	}
	return k.schema, nil
}

// Check runs New in a world of its own, once, and reports every mistake in the
// kind's declarations by struct and field.
func (k *Kind) Check() error {
	k.once.Do(func() { k.err = k.probe() })
	return k.err
}

// NewSim makes the simulation of one room. It fails as Check does, or when New
// defines other tables than it did for Check.
func (k *Kind) NewSim(cfg SimConfig) (*Sim, error) {
	if err := k.Check(); err != nil {
		return nil, err
	}
	src := &knownPlans{kind: k}
	w := newWorld(k.opts, cfg, src)
	r := k.start(w, k.in)
	if r == nil {
		return nil, fmt.Errorf("%s: New returned nil", k.name)
	}
	if src.differs || src.tables != len(k.tables) || src.events != len(k.events) {
		return nil, fmt.Errorf("%s: New defined other tables or events than at Kind.Check: they must not depend on params or chance", k.name)
	}
	w.plans = sealed{}
	return newSim(k, w, r), nil
}

func (o Options) withDefaults() Options {
	if o.TickRate == 0 {
		o.TickRate = DefaultTickRate
	}
	if o.MaxPlayers == 0 {
		o.MaxPlayers = DefaultMaxPlayers
	}
	return o
}

func (o Options) validate() (errs []error) {
	if o.TickRate < 1 || o.TickRate > MaxTickRate {
		errs = append(errs, fmt.Errorf("Options.TickRate is %d, not 1 to %d", o.TickRate, MaxTickRate))
	}
	if o.MaxPlayers < 1 || o.MaxPlayers > MaxMaxPlayers {
		errs = append(errs, fmt.Errorf("Options.MaxPlayers is %d, not 1 to %d", o.MaxPlayers, MaxMaxPlayers))
	}
	if o.Missing > Repeat {
		errs = append(errs, fmt.Errorf("Options.Missing is %d, not Absent or Repeat", o.Missing))
	}
	return errs
}

// planSource answers NewTable and NewEvent with the plan of their type.
type planSource interface {
	tablePlan(name string, t reflect.Type, single bool) *plan
	eventPlan(name string, t reflect.Type, fleeting bool) *plan
}

// prober compiles the plans of a kind and collects what is wrong with them.
type prober struct {
	errs   []error
	tables []*plan
	events []*plan
	names  map[string]bool
	saver  bool
}

func (p *prober) tablePlan(name string, t reflect.Type, single bool) *plan {
	pl := p.compile("table", roleRow, name, t)
	pl.row.Single = single
	p.tables = append(p.tables, pl)
	return pl
}

func (p *prober) eventPlan(name string, t reflect.Type, fleeting bool) *plan {
	pl := p.compile("event", roleEvent, name, t)
	pl.row.Fleeting = fleeting
	p.events = append(p.events, pl)
	return pl
}

func (p *prober) compile(what string, as role, name string, t reflect.Type) *plan {
	label := fmt.Sprintf("%s %q", what, name)
	if !validName(name, false) {
		p.fail("%s: a name is a letter, then letters, digits or _, at most %d", label, MaxName)
	}
	if p.names[what+name] {
		p.fail("%s: the name is taken", label)
	}
	p.names[what+name] = true
	pl, errs := compile(label, as, t)
	p.errs = append(p.errs, errs...)
	pl.row.Name = name
	return pl
}

func (p *prober) fail(format string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf(format, args...))
}

// probe fills the kind's plans and schema.
func (k *Kind) probe() error {
	p := &prober{names: map[string]bool{}}
	if !validName(k.name, true) {
		p.fail("a kind's name is a lower-case letter, then a-z, 0-9, - or _, at most %d", MaxName)
	}
	optErrs := k.opts.validate()
	p.errs = append(p.errs, optErrs...)
	in, errs := compile("input", roleInput, k.input)
	p.errs = append(p.errs, errs...)
	if len(optErrs) == 0 {
		k.probeNew(p, in)
	}
	if len(p.errs) > 0 {
		for i, err := range p.errs {
			p.errs[i] = fmt.Errorf("%s: %w", k.name, err)
		}
		return errors.Join(p.errs...)
	}
	k.in, k.tables, k.events = in, p.tables, p.events
	k.schema = &Schema{Kind: k.name, TickRate: k.opts.TickRate, Input: in.row}
	for _, t := range k.tables {
		k.schema.Tables = append(k.schema.Tables, t.row)
	}
	for _, e := range k.events {
		k.schema.Events = append(k.schema.Events, e.row)
	}
	k.layout = newLayout(k, p.saver)
	if _, err := parseLayout(k.layout.bytes); len(k.layout.bytes) > maxLayout || err != nil {
		return fmt.Errorf("%s: the names and the nesting of its tables' fields are too long for a checkpoint", k.name)
	}
	return nil
}

// probeNew runs New and checks what it did.
func (k *Kind) probeNew(p *prober, in *plan) {
	w := newWorld(k.opts, SimConfig{}, p)
	if r := k.start(w, in); r == nil {
		p.fail("New returned nil")
	} else {
		_, p.saver = r.game().(StateSaver)
	}
	if len(p.tables) > MaxTables {
		p.fail("%d tables, at most %d", len(p.tables), MaxTables)
	}
	if len(p.events) > MaxEvents {
		p.fail("%d events, at most %d", len(p.events), MaxEvents)
	}
	for i, r := range w.tables {
		if r.live > 0 && !p.tables[i].row.Single {
			p.fail("%s: New added rows, which a restored room would find twice: add them in Start", p.tables[i].what)
		}
	}
	if len(w.out.records) > 0 {
		p.fail("New emitted events: emit them in Start")
	}
	for _, pl := range append(append([]*plan{in}, p.tables...), p.events...) {
		p.errs = append(p.errs, pl.resolve(p.tables)...)
	}
}

// knownPlans gives a checked kind's plans again, in order.
type knownPlans struct {
	kind           *Kind
	tables, events int
	differs        bool
}

func (s *knownPlans) tablePlan(name string, t reflect.Type, single bool) *plan {
	if pl := nth(s.kind.tables, s.tables); pl != nil && pl.is(name, t) && pl.row.Single == single {
		s.tables++
		return pl
	}
	s.differs = true
	pl, _ := compile(name, roleRow, t)
	return pl
}

func (s *knownPlans) eventPlan(name string, t reflect.Type, fleeting bool) *plan {
	if pl := nth(s.kind.events, s.events); pl != nil && pl.is(name, t) && pl.row.Fleeting == fleeting {
		s.events++
		return pl
	}
	s.differs = true
	pl, _ := compile(name, roleEvent, t)
	return pl
}

func nth(plans []*plan, i int) *plan {
	if i < len(plans) {
		return plans[i]
	}
	return nil
}

// sealed refuses definitions after New.
type sealed struct{}

func (sealed) tablePlan(name string, _ reflect.Type, _ bool) *plan {
	panic("game: table " + name + " defined outside New")
}

func (sealed) eventPlan(name string, _ reflect.Type, _ bool) *plan {
	panic("game: event " + name + " defined outside New")
}

// validName accepts identifiers; those of kinds are lower case and may hold
// dashes, since they stand in URLs.
func validName(s string, kind bool) bool {
	if s == "" || len(s) > MaxName {
		return false
	}
	for i, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z' && !kind:
		case i > 0 && (c >= '0' && c <= '9' || c == '_' || c == '-' && kind):
		default:
			return false
		}
	}
	return true
}
