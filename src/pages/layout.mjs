// How much fits where: pure sums, for a wall that shows all of it without scrolling.

/** In how many columns tiles of that shape, width to height, are largest in a room; no narrower than `least`. */
export function columnsOf(count, width, height, shape, least) {
  const size = (columns) => Math.min(width / columns, (shape * height) / Math.ceil(count / columns));
  let best = 1;
  for (let columns = 2; columns <= Math.min(count, width / least); columns += 1) if (size(columns) > size(best)) best = columns;
  return best;
}

/**
 * Lists side by side, of `{ count, share }`, which says how much wider than others one is: the first of the shapes of a row,
 * `[height, width, lines]`, with which all is seen, and in how many columns each list is. With the last, the rest is scrolled to.
 */
export function listsOf(lists, width, height, shapes) {
  const tries = shapes.map(([row, wide, lines]) => {
    const deep = Math.max(1, Math.floor(height / row));
    const room = width / wide;
    return { row, lines, deep, room, columns: lists.map(({ count }) => Math.max(1, Math.min(Math.ceil(count / deep), Math.floor(room)))) };
  });
  const fits = ({ columns, room }) => columns.reduce((sum, n, at) => sum + n * lists[at].share, 0) <= room;
  const best = tries.find(fits) ?? tries.at(-1);
  for (let most; !fits(best) && (most = Math.max(...best.columns)) > 1; ) best.columns[best.columns.indexOf(most)] -= 1;
  return best;
}
