package room

import "time"

// LateBounds are the upper bounds of Stats.Late: a tick counts in the first
// bucket whose bound is not below its lateness, else in the last.
var LateBounds = [...]time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 1500 * time.Microsecond, 2 * time.Millisecond, 3 * time.Millisecond, 5 * time.Millisecond,
	7 * time.Millisecond, 10 * time.Millisecond, 15 * time.Millisecond, 20 * time.Millisecond, 33 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond,
}

// Stats are a room's counters since it was made, or sums of them.
type Stats struct {
	Ticks        uint64
	TicksSkipped uint64 // not made because the room was too late
	Late         [len(LateBounds) + 1]uint64
	LateTime     time.Duration // sum of all lateness
	Wakes        uint64        // from sleep

	StepTime  time.Duration // sum; 0 without Config.Clock
	StepMax   time.Duration
	StepsSlow uint64 // of a millisecond and more

	Joins, Resumes, Leaves uint64
	Refused                uint64 // joins and resumes that were answered with a bye
	Replaced, Kicks        uint64
	Slow                   uint64 // viewers told ByeSlow
	Panics                 uint64 // rooms ended by their game's failure

	InputsApplied, InputsDropped uint64
	InputsRepeated, InputsMissed uint64
	MailDropped, PostsDropped    uint64
	Encodes                      uint64 // state messages made, shared by many viewers
	Relayed                      uint64 // state messages passed on as another node made them
	RelayedBytes                 uint64 // told to edges
	FrameBytes                   uint64 // of shared frames, each counted once
	SelfFrames, SelfBytes        uint64
	FramesTaken, FramesRefused   uint64 // offers by their answer
	Keyframes, Resyncs           uint64 // keyframes taken and asked for
	WrongHashes                  uint64 // resyncs since a client's state was not the room's
}

// Add adds the counters of o.
func (s *Stats) Add(o *Stats) {
	s.Ticks += o.Ticks
	s.TicksSkipped += o.TicksSkipped
	for i := range s.Late {
		s.Late[i] += o.Late[i]
	}
	s.LateTime += o.LateTime
	s.Wakes += o.Wakes
	s.StepTime += o.StepTime
	s.StepMax = max(s.StepMax, o.StepMax)
	s.StepsSlow += o.StepsSlow
	s.Joins += o.Joins
	s.Resumes += o.Resumes
	s.Leaves += o.Leaves
	s.Refused += o.Refused
	s.Replaced += o.Replaced
	s.Kicks += o.Kicks
	s.Slow += o.Slow
	s.Panics += o.Panics
	s.InputsApplied += o.InputsApplied
	s.InputsDropped += o.InputsDropped
	s.InputsRepeated += o.InputsRepeated
	s.InputsMissed += o.InputsMissed
	s.MailDropped += o.MailDropped
	s.PostsDropped += o.PostsDropped
	s.Encodes += o.Encodes
	s.Relayed += o.Relayed
	s.RelayedBytes += o.RelayedBytes
	s.FrameBytes += o.FrameBytes
	s.SelfFrames += o.SelfFrames
	s.SelfBytes += o.SelfBytes
	s.FramesTaken += o.FramesTaken
	s.FramesRefused += o.FramesRefused
	s.Keyframes += o.Keyframes
	s.Resyncs += o.Resyncs
	s.WrongHashes += o.WrongHashes
}

// late counts one tick made that long after its deadline.
func (s *Stats) late(d time.Duration) {
	s.LateTime += d
	for i, bound := range LateBounds {
		if d <= bound {
			s.Late[i]++
			return
		}
	}
	s.Late[len(LateBounds)]++
}
