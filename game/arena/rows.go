package arena

import "github.com/roomd/roomd/game"

// Input is what a player holds down in one tick.
//
// Fire is held, not a once field: the server's Cooldown spaces the shots, so
// holding the button is steady fire at the full rate with no dependence on
// when the presses arrive. A lost connection repeats the last input for 250 ms,
// which is less than one Cooldown, hence at most one unwanted shot.
type Input struct {
	MoveX int8   `net:"range=-127..127"` // stick: right is positive
	MoveY int8   `net:"range=-127..127"` // down is positive
	Aim   uint16 // of the turret, 65536 a turn, 0 to the right, rising clockwise on screen
	Fire  bool
}

// Tank is one tank, of a person (its owner) or a bot (no owner). A dead tank
// keeps its row, where it died, until it respawns.
type Tank struct {
	X       float64   `net:"all,quant=1/256,pos"`
	Y       float64   `net:"all,quant=1/256,pos"`
	Heading uint16    `net:"all"` // of the body, as Input.Aim
	Aim     uint16    `net:"all"` // of the turret
	HP      uint8     `net:"all"` // 0 is dead
	Score   int32     `net:"all"`
	Kills   uint16    `net:"all"`
	Deaths  uint16    `net:"all"`
	Name    string    `net:"all,max=16"`
	Hue     uint8     `net:"all"` // of the colour circle, 256 a turn
	Bot     bool      `net:"all"`
	Away    bool      `net:"all"` // the player's connection is broken
	Respawn game.Tick `net:"all"` // when a dead tank returns; 0 while alive
	Safe    game.Tick `net:"all"` // invulnerable before this tick

	Ammo   uint8     `net:"owner"`
	Reload game.Tick `net:"owner"` // when the magazine will be full; 0 is not reloading

	ready  game.Tick // first tick that may fire again
	vx, vy float64   // units moved in the last tick; what bots lead their aim by
	mind   mind      // of a bot
}

// Alive reports whether the tank can act and be hit.
func (t *Tank) Alive() bool { return t.HP > 0 }

// Bullet is a shot in flight. Where it is follows from where, when and which
// way it was fired (see At), so a bullet is sent twice, at its first and at its
// last tick, and costs nothing between.
type Bullet struct {
	X     float64       `net:"all,quant=1/256,pos"` // where it was fired
	Y     float64       `net:"all,quant=1/256,pos"`
	Angle uint16        `net:"all"`
	Born  game.Tick     `net:"all"`
	By    game.ID[Tank] `net:"all"`
}

// At is where the bullet is at a tick not before Born, walls and tanks aside.
func (b *Bullet) At(now game.Tick) (x, y float64) {
	far := float64(BulletStep * float64(now-b.Born))
	return b.X + float64(Cos(b.Angle)*far), b.Y + float64(Sin(b.Angle)*far)
}

// Wall is one static block. Walls never change, so each viewer gets them once.
type Wall struct {
	X float64 `net:"all,quant=1/4,pos"` // of the corner with the smallest coordinates
	Y float64 `net:"all,quant=1/4,pos"`
	W float64 `net:"all,quant=1/4"`
	H float64 `net:"all,quant=1/4"`
}

// What a crate holds.
const (
	CrateRepair uint8 = 1
	CrateShells uint8 = 2
)

// Crate is a place where something to take lies, or will again at Back.
type Crate struct {
	X    float64   `net:"all,quant=1/4,pos"`
	Y    float64   `net:"all,quant=1/4,pos"`
	What uint8     `net:"all"`
	Back game.Tick `net:"all"` // 0 while it can be taken
}

// Round is the running contest and the winner of the one before.
type Round struct {
	Number   uint16    `net:"all"`
	Ends     game.Tick `net:"all"` // 0 is never
	Champion string    `net:"all,max=16"`
	Best     int32     `net:"all"` // the champion's score
}

// Shot says that a tank fired; fleeting, for sound and muzzle flash.
type Shot struct {
	By game.ID[Tank]
}

// Hit says where a bullet ended, and in which tank (none: a wall); fleeting.
type Hit struct {
	X    float64 `net:"quant=1/16"`
	Y    float64 `net:"quant=1/16"`
	Tank game.ID[Tank]
	By   game.ID[Tank]
}

// Kill says who destroyed whom.
type Kill struct {
	Victim game.ID[Tank]
	By     game.ID[Tank] // none when the killer has left
}

// Over says that a round ended and who won it.
type Over struct {
	Winner game.ID[Tank]
	Score  int32
}
