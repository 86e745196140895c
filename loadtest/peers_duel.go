package main

import (
	"context"
	"fmt"
	"slices"
)

// duel is a comparison of a peer with another, round by round. Figures are the
// medians of the rounds, each for itself.
type duel struct {
	ours, theirs       cost
	ratio, least, most float64
}

// byTurns measures all of ours and the other one in each round, each first in turn,
// so that what changes on the machine meanwhile is nobody's advantage. The ratios are
// those of figure. The duels are in the order of ours.
func (r *peersRun) byTurns(ctx context.Context, other peer, figure func(cost) float64, measure func(context.Context, peer) (cost, error)) ([]duel, error) {
	all := append(slices.Clone(r.ours), other)
	costs := make([][]cost, len(all))
	for round := range r.Rounds {
		for i := range all {
			k := (round + i) % len(all)
			c, err := measure(ctx, all[k])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", all[k].name, err)
			}
			costs[k] = append(costs[k], c)
		}
	}
	theirs := costs[len(costs)-1]
	var duels []duel
	for _, ours := range costs[:len(costs)-1] {
		var ratios []float64
		for round := range ours {
			ratios = append(ratios, figure(ours[round])/figure(theirs[round]))
		}
		slices.Sort(ratios)
		duels = append(duels, duel{medianCost(ours), medianCost(theirs), medianOf(ratios), ratios[0], ratios[len(ratios)-1]})
	}
	return duels, nil
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
