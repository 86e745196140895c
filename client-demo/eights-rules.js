// What the page knows of crazy eights: names of cards, and which fit, to show
// what can be clicked. The server decides; see game/eights.

/** @typedef {{top: number, suit: number}} Asked the top discard and the suit to follow */

export const TICK_RATE = 10;
export const ACT = { PLAY: 1, DRAW: 2, PASS: 3 };
export const PHASE = { IDLE: 0, PLAYING: 1, OVER: 2 };

const RANKS = 13;
const EIGHT = 8;

export const SUIT_SIGNS = ['', '♠', '♥', '♦', '♣'];
export const SUIT_NAMES = ['', 'spades', 'hearts', 'diamonds', 'clubs'];
const RANK_SIGNS = ['', 'A', '2', '3', '4', '5', '6', '7', '8', '9', '10', 'J', 'Q', 'K'];
const RANK_NAMES = [
  '', 'ace', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten', 'jack', 'queen', 'king',
];

/** Why the server refused a click, by number. */
export const REFUSALS = [
  '', 'too late: that was another turn', 'it is not your turn', 'you do not hold that card', 'that card does not fit',
  'an eight needs a suit', 'one card a turn: play or pass', 'there is nothing to draw: play or pass', 'draw before you pass',
];

/** @param {number} card 1 to 52 */
export const rank = (card) => ((card - 1) % RANKS) + 1;
/** @param {number} card */
export const suit = (card) => Math.floor((card - 1) / RANKS) + 1;
/** @param {number} card */
export const isEight = (card) => rank(card) === EIGHT;
/** @param {number} card */
export const isRed = (card) => suit(card) === 2 || suit(card) === 3;
/** @param {number} card */
export const rankSign = (card) => RANK_SIGNS[rank(card)];
/** @param {number} card */
export const rankName = (card) => RANK_NAMES[rank(card)];
/** @param {number} card */
export const cardName = (card) => `${rankName(card)} of ${SUIT_NAMES[suit(card)]}`;
/** @param {number} card */
export const cardSign = (card) => RANK_SIGNS[rank(card)] + SUIT_SIGNS[suit(card)];

/** What a card costs at the end of a round. @param {number} card */
export function points(card) {
  if (isEight(card)) return 50;
  return Math.min(rank(card), 10);
}

/** @param {number} card @param {Asked} asked */
export const fits = (card, asked) => isEight(card) || suit(card) === asked.suit || rank(card) === rank(asked.top);

/** Cards by suit and rank, eights last. @param {number[]} cards */
export const sorted = (cards) => [...cards].sort((a, b) => Number(isEight(a)) - Number(isEight(b)) || a - b);
