// Counts what a text costs while it is written, as integrations/sms/segments.py does when it leaves.
const BASIC =
  "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
  "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
const EXTENDED = "\f^{}\\[~]|€";
const ROOM = { "GSM-7": [160, 153], "UCS-2": [70, 67] };
// Marks that are written plainer before a text leaves.
const PLAIN = { "‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "...", "\u00a0": " " };

export function count(text) {
  const body = text.normalize("NFC").trim().replace(/[‘’“”–—…\u00a0]/gu, (mark) => PLAIN[mark]);
  const signs = Array.from(body);
  const cheap = signs.every((sign) => BASIC.includes(sign) || EXTENDED.includes(sign));
  const encoding = cheap ? "GSM-7" : "UCS-2";
  const sizes = signs.map((sign) => (cheap ? 1 + EXTENDED.includes(sign) : sign.length));
  const units = sizes.reduce((sum, size) => sum + size, 0);
  const [alone, beside] = ROOM[encoding];
  if (units <= alone) return { encoding, units, segments: 1, left: alone - units };
  let segments = 1;
  let left = beside;
  for (const size of sizes) {
    if (size > left) {
      segments += 1;
      left = beside;
    }
    left -= size;
  }
  return { encoding, units, segments, left };
}

for (const shown of document.querySelectorAll("[data-segments-of]")) {
  const field = document.getElementById(shown.dataset.segmentsOf);
  const tell = () => {
    const { encoding, segments, left } = count(field.value);
    const why = encoding === "GSM-7" ? "" : " A sign in it is outside the plain alphabet: it holds less.";
    shown.textContent = `${segments} ${segments === 1 ? "segment" : "segments"}, ${left} left in it.${why}`;
  };
  field.addEventListener("input", tell);
  if (field.value) tell();
}

// A second press while the first is under way sends nothing; the server would not either.
for (const form of document.querySelectorAll("form:has([name=once])")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
}
