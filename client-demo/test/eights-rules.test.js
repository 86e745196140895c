// What the card table knows of the rules, as game/eights has them.

import assert from 'node:assert/strict';
import test from 'node:test';
import { cardName, cardSign, fits, isEight, isRed, points, rank, sorted, suit } from '../eights-rules.js';

test('cards are numbered suit by suit, from the ace to the king', () => {
  assert.deepEqual([1, 8, 13, 14, 36, 52].map((c) => [rank(c), suit(c), points(c)]), [
    [1, 1, 1], [8, 1, 50], [13, 1, 10], [1, 2, 1], [10, 3, 10], [13, 4, 10],
  ]);
  assert.deepEqual([cardName(14), cardSign(14), isRed(14), isRed(52)], ['ace of hearts', 'A♥', true, false]);
  const all = Array.from({ length: 52 }, (_, i) => i + 1);
  assert.equal(new Set(all.map(cardSign)).size, 52);
  assert.equal(all.reduce((n, c) => n + points(c), 0), 4 * (85 + 50 - 8));
});

test('a card fits by suit or rank, and an eight always', () => {
  const asked = { top: 20, suit: 2 }; // the seven of hearts
  assert.deepEqual([14, 7, 8, 3].map((c) => fits(c, asked)), [true, true, true, false]);
  assert.ok(!fits(14, { top: 8, suit: 3 }), 'the suit that an eight asked for counts, not its own');
});

test('eights are at the end of a hand', () => {
  assert.deepEqual(sorted([52, 8, 1, 34, 14]), [1, 14, 52, 8, 34]);
  assert.ok(isEight(34));
});
