//go:build browser

package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// quiet is how long a room that sleeps is watched.
const quiet = 1500 * time.Millisecond

// cardState is what window.roomd.state of the card table says.
type cardState struct {
	Status   string
	Room     string
	Tick     int
	Number   int
	Phase    int
	Turn     int
	Top      int
	Hands    []cardHand
	Legal    []int
	MayDraw  bool
	MayPass  bool
	Watching bool
}

type cardHand struct {
	Name   string
	Count  int
	In     bool
	House  bool
	Mine   bool
	OnTurn bool
	Cards  []int
}

// hand is the hand of that name, an empty one if there is none.
func (s cardState) hand(name string) cardHand {
	for _, h := range s.Hands {
		if h.Name == name {
			return h
		}
	}
	return cardHand{}
}

// onlyOwn reports whether the page knows the cards of nobody but its player.
func (s cardState) onlyOwn() bool {
	for _, h := range s.Hands {
		if want := map[bool]int{true: h.Count}[h.Mine]; len(h.Cards) != want {
			return false
		}
	}
	return true
}

func (s cardState) playing(people, house int) bool {
	for _, h := range s.Hands {
		if h.House {
			house--
		} else {
			people--
		}
	}
	return s.Status == "playing" && s.Phase == 1 && people == 0 && house == 0
}

// TestEightsPage plays cards with two pages and a watcher: first a person alone
// with the house, then two people who see their own hands only and each other's
// plays, in a room that sleeps between clicks, until the round is over and all
// see all hands.
func TestEightsPage(t *testing.T) {
	bin := buildServer(t)
	srv := startServer(t, bin, "127.0.0.1:0")
	browser := startBrowser(t)

	ann := openPage(t, browser, srv.url+"eights.html?name=ann")
	alone := ann.awaitCards("a deal with the house", func(s cardState) bool { return s.playing(1, 2) && s.hand("ann").OnTurn })
	if n := len(alone.hand("ann").Cards); n != 7 || !alone.onlyOwn() {
		t.Errorf("ann has %d cards and sees %+v", n, alone.Hands)
	}
	ann.screenshot("eights-house.png")

	room := srv.url + "eights.html?room=" + alone.Room
	bob := openPage(t, browser, room+"&name=bob")
	watcher := openPage(t, browser, room+"&watch=1")
	all := []*page{ann, bob, watcher}
	awaitAll(all, "a deal of two", func(s cardState) bool {
		return s.playing(2, 0) && s.Number > alone.Number && s.onlyOwn()
	})

	before := [2]int{ann.cards().Tick, bob.cards().Tick}
	for begin := time.Now(); time.Since(begin) < quiet; {
		if after := [2]int{ann.cards().Tick, bob.cards().Tick}; after != before {
			t.Fatalf("while both think the room went from ticks %v to %v", before, after)
		}
	}

	mover, other := onTurn(t, ann, bob)
	mover.screenshot("eights.png")
	card := 0
	for card == 0 {
		card = mover.takeTurn(other)
		mover, other = other, mover
	}
	awaitAll(all, "the card played", func(s cardState) bool { return s.Top == card && s.onlyOwn() })
	watcher.screenshot("eights-watch.png")
	bob.run(chromedp.EmulateViewport(390, 844, chromedp.EmulateScale(2), chromedp.EmulateMobile))
	bob.screenshot("eights-phone.png")

	tick := ann.cards().Tick
	ann.reload()
	ann.awaitCards("ann's hand after a reload", func(s cardState) bool {
		return s.playing(2, 0) && s.Tick > tick && s.hand("ann").Count > 0 && s.onlyOwn()
	})

	for mover, other = onTurn(t, ann, bob); mover != nil; mover, other = onTurn(t, ann, bob) {
		mover.takeTurn(other)
	}
	awaitAll(all, "all hands", func(s cardState) bool {
		return s.Phase == 2 && !slices.ContainsFunc(s.Hands, func(h cardHand) bool { return len(h.Cards) != h.Count })
	})
	ann.screenshot("eights-over.png")
	bob.screenshot("eights-over-phone.png")
	round := ann.cards().Number
	awaitAll(all, "the next deal", func(s cardState) bool { return s.Number == round+1 && s.playing(2, 0) && s.onlyOwn() })
}

// onTurn returns the page whose player may move, and the other one, or nil when
// the round is over.
func onTurn(t *testing.T, a, b *page) (mover, other *page) {
	t.Helper()
	eventually(t, "a turn", func() bool {
		sa, sb := a.cards(), b.cards()
		switch {
		case sa.mayMove():
			mover, other = a, b
		case sb.mayMove():
			mover, other = b, a
		}
		return mover != nil || sa.Phase == 2
	})
	return mover, other
}

func (s cardState) mayMove() bool { return s.MayDraw || s.MayPass }

// takeTurn plays a card by mouse, or draws by keyboard, and then plays or
// passes. It returns the card, 0 for none.
func (p *page) takeTurn(other *page) int {
	p.t.Helper()
	s := p.awaitCards("the turn", cardState.mayMove)
	turn := s.Turn
	if len(s.Legal) == 0 && s.MayDraw {
		name, count := s.Hands[0].Name, s.Hands[0].Count // the own hand is the first
		p.run(chromedp.Focus(chromedp.CSS("#draw")))
		p.run(chromedp.KeyEvent("\r"))
		s = p.awaitCards("the card drawn", func(s cardState) bool { return s.MayPass })
		other.awaitCards("the draw on the other page", func(s cardState) bool { return s.hand(name).Count == count+1 && s.onlyOwn() })
	}
	card := 0
	if len(s.Legal) == 0 {
		p.run(chromedp.Click(chromedp.CSS("#pass")))
	} else {
		card = s.Legal[0]
		p.run(chromedp.Click(chromedp.CSS(fmt.Sprintf("#hand [data-card='%d']", card))))
	}
	if card > 0 && (card-1)%13 == 7 {
		p.run(chromedp.Click(chromedp.CSS("#suits button[value='2']")))
	}
	p.awaitCards("the end of the turn", func(s cardState) bool { return s.Turn != turn || s.Phase == 2 })
	return card
}

func (p *page) cards() cardState {
	p.t.Helper()
	var s cardState
	raw := ask(p, chromedp.Evaluate[string]("JSON.stringify(window.roomd?.state ?? {})"))
	if err := json.Unmarshal([]byte(raw), &s); err != nil {
		p.t.Fatal(err)
	}
	return s
}

// awaitCards polls the page's state until it is as wanted.
func (p *page) awaitCards(what string, ok func(cardState) bool) cardState {
	p.t.Helper()
	var last cardState
	eventually(p.t, what, func() bool {
		last = p.cards()
		return ok(last)
	})
	return last
}

func awaitAll(pages []*page, what string, ok func(cardState) bool) {
	for _, p := range pages {
		p.t.Helper()
		p.awaitCards(what, ok)
	}
}
