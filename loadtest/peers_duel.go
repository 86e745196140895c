package main

import (
	"context"
	"fmt"
	"slices"
)

// duel is a comparison of roomd with another server, round by round. Figures are the
// medians of the rounds, each for itself.
type duel struct {
	ours, theirs       cost
	ratio, least, most float64
}

// byTurns measures both servers in each round, the other one first in every other
// round, so that what changes on the machine meanwhile is nobody's advantage. The
// ratio is that of figure.
func (r *peersRun) byTurns(ctx context.Context, other peer, figure func(cost) float64, measure func(context.Context, peer) (cost, error)) (d duel, err error) {
	var ours, theirs []cost
	var ratios []float64
	for round := range r.Rounds {
		order := []peer{r.roomd, other}
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, p := range order {
			c, err := measure(ctx, p)
			switch {
			case err != nil && p.ours:
				return d, fmt.Errorf("roomd: %w", err)
			case err != nil:
				return d, fmt.Errorf("the baseline: %w", err)
			case p.ours:
				ours = append(ours, c)
			default:
				theirs = append(theirs, c)
			}
		}
		ratios = append(ratios, figure(ours[round])/figure(theirs[round]))
	}
	slices.Sort(ratios)
	return duel{medianCost(ours), medianCost(theirs), medianOf(ratios), ratios[0], ratios[len(ratios)-1]}, nil
}

func perMessage(c cost) float64 { return c.usPerMessage }
func perSecond(c cost) float64  { return c.cpuPct }

func medianCost(list []cost) cost {
	of := func(figure func(cost) float64) float64 {
		var v []float64
		for _, c := range list {
			v = append(v, figure(c))
		}
		return medianOf(v)
	}
	return cost{
		usPerMessage: of(perMessage), cpuPct: of(perSecond),
		bytesPerMessage: of(func(c cost) float64 { return c.bytesPerMessage }),
		messages:        int64(of(func(c cost) float64 { return float64(c.messages) })),
	}
}
