// What stands in the place of a picture that is for sale: a small SVG that says what it costs. It runs nothing and loads nothing.

const escaped = (text: string) => text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`)

/** An SVG document with one line of text, on a ground that is read in light and in dark. */
export const pricePicture = (sentence: string, lang: string): string =>
  [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 480 270" width="480" height="270" role="img" xml:lang="${escaped(lang)}">`,
    `<title>${escaped(sentence)}</title>`,
    '<rect width="480" height="270" fill="#f4efe4"/>',
    '<rect x="1.5" y="1.5" width="477" height="267" fill="none" stroke="#8a2f1d" stroke-width="3"/>',
    `<text x="240" y="142" text-anchor="middle" font-family="Georgia,serif" font-size="24" fill="#1c1917">${escaped(sentence)}</text>`,
    '</svg>',
  ].join('')
