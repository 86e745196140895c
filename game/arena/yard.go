package arena

// The yard is the map: half of its blocks are listed, the other half is the
// same turned by 180 degrees, so that no side is better. All gaps are wide
// enough for a tank, which TestYard checks.
var (
	outerWalls = []Rect{
		{0, 0, Width, 1}, {0, Height - 1, Width, 1},
		{0, 1, 1, Height - 2}, {Width - 1, 1, 1, Height - 2},
	}
	middleWall = Rect{37, 26, 6, 4}
	halfWalls  = []Rect{
		{10, 10, 10, 2}, {10, 12, 2, 8}, // corner, upper left
		{60, 10, 10, 2}, {68, 12, 2, 8}, // corner, upper right
		{28, 8, 2, 10}, {50, 8, 2, 8}, {36, 12, 8, 2},
		{22, 20, 2, 2}, {56, 18, 2, 2}, {42, 20, 6, 2},
		{18, 27, 6, 2}, {30, 22, 2, 5}, {5, 27, 5, 2},
	}
	halfCrates = []Crate{
		{X: 40, Y: 6, What: CrateRepair}, {X: 14, Y: 28, What: CrateRepair},
		{X: 15, Y: 15, What: CrateShells}, {X: 26.5, Y: 24, What: CrateShells},
	}
)

// yardWalls lists all blocks of the map.
func yardWalls() []Rect {
	walls := append([]Rect(nil), outerWalls...)
	walls = append(walls, middleWall)
	for _, w := range halfWalls {
		walls = append(walls, w, Rect{Width - w.X - w.W, Height - w.Y - w.H, w.W, w.H})
	}
	return walls
}

// yardCrates lists all crates of the map.
func yardCrates() []Crate {
	var crates []Crate
	for _, c := range halfCrates {
		crates = append(crates, c, Crate{X: Width - c.X, Y: Height - c.Y, What: c.What})
	}
	return crates
}

// site is a place with room for a tank: tanks appear there, bots roam from one
// to the next.
type site struct{ x, y float64 }

const (
	siteStep   = 3.0 // between sites
	siteMargin = TankRadius + 0.5
)

// findSites lists the sites of a map, row by row.
func findSites(walls []Rect) []site {
	var sites []site
	for y := siteStep; y < Height; y += siteStep {
		for x := siteStep; x < Width; x += siteStep {
			if open(x, y, x, y, siteMargin, walls) {
				sites = append(sites, site{x, y})
			}
		}
	}
	return sites
}
