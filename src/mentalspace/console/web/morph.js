// Makes one node look like another, keeping every node that need not change: focus, selection,
// scroll position and opened details stay as they are.

// What the reader sets, and the server does not know.
const OWN = { DETAILS: ["open"], INPUT: ["value", "checked"], OPTION: ["selected"] };

export function morph(shown, fresh) {
  if (shown.isEqualNode(fresh)) return;
  if (shown.nodeType !== fresh.nodeType || shown.nodeName !== fresh.nodeName) {
    shown.replaceWith(document.importNode(fresh, true));
    return;
  }
  if (shown.nodeType !== Node.ELEMENT_NODE) {
    shown.nodeValue = fresh.nodeValue;
    return;
  }
  // A clock ticks by itself; only its deadline comes from the server.
  const ticks = fresh.dataset?.deadline && fresh.dataset.deadline === shown.dataset.deadline;
  copyAttributes(shown, fresh);
  if (!ticks && shown !== document.activeElement?.closest("textarea, select")) {
    morphChildren(shown, fresh);
  }
}

function copyAttributes(shown, fresh) {
  const own = OWN[shown.nodeName] ?? [];
  for (const { name, value } of [...fresh.attributes]) {
    if (!own.includes(name) && shown.getAttribute(name) !== value) shown.setAttribute(name, value);
  }
  for (const { name } of [...shown.attributes]) {
    if (!own.includes(name) && !fresh.hasAttribute(name)) shown.removeAttribute(name);
  }
}

function morphChildren(shown, fresh) {
  let place = shown.firstChild;
  for (const next of [...fresh.childNodes]) {
    const same = find(place, next);
    if (!same) {
      shown.insertBefore(document.importNode(next, true), place);
      continue;
    }
    while (place !== same) place = drop(place);
    place = same.nextSibling;
    morph(same, next);
  }
  while (place) place = drop(place);
}

// The node that stands for `next`: the nearest one further on that is of its kind and name.
function find(place, next) {
  const key = keyOf(next);
  for (let node = place; node; node = node.nextSibling) {
    if (node.nodeType === next.nodeType && node.nodeName === next.nodeName && keyOf(node) === key) {
      return node;
    }
  }
  return null;
}

function keyOf(node) {
  return node.id || node.dataset?.key || node.getAttribute?.("action") || node.getAttribute?.("href") || "";
}

function drop(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}
