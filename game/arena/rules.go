package arena

// Sizes and speeds of the game. Lengths are in units, a tank being two across;
// times are in ticks. Every number that a client needs to predict or draw is
// repeated in client-demo/arena-rules.js, and testdata/move.json keeps both
// sides honest.
const (
	TickRate   = 30
	MaxPlayers = 64

	Width  = 80 // of the yard, its outer walls included
	Height = 56

	TankRadius = 1.0
	TankStep   = 0.375 // units a tick at full stick: 11.25 a second
	TurnStep   = 2400  // most that the body turns in a tick, of 65536 a turn

	FullHP      = 100
	Damage      = 20
	RespawnTime = 3 * TickRate
	SafeTime    = 2 * TickRate // nothing harms a tank that just came, until it fires

	BulletStep   = 1.25 // units a tick: 37.5 a second
	BulletRadius = 0.2
	BulletLife   = 48 // ticks, 60 units of flight

	// Cooldown is longer than game.RepeatFor (7 ticks), so a fire button repeated
	// for a silent player gives at most one shot that nobody asked for.
	Cooldown   = 8
	Magazine   = 8
	MaxAmmo    = 24 // with crates of shells
	ReloadTime = 3 * TickRate / 2
	IdleReload = 2 * TickRate // without a shot until a part-used magazine is refilled

	CrateRadius = 0.75
	CrateTime   = 15 * TickRate // until a taken crate is back
	RepairHP    = 50
	ShellCount  = 8

	HitScore  = 10
	KillScore = 50

	DefaultPopulation = 7   // param "bots": tanks that bots make up to
	DefaultRound      = 300 // param "round": seconds; 0 is endless
)
