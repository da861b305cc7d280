"""
Makes lib/picture/font.ts: the letters of PNG pictures, drawn once from DejaVu Sans (public domain additions to
Bitstream Vera, whose licence allows it) with Pillow. Run: python3 scripts/font.py > lib/picture/font.ts
"""
import base64, sys, zlib
from PIL import Image, ImageDraw, ImageFont

FOLDER = '/usr/share/fonts/truetype/dejavu/'
LETTERS = ''.join(map(chr, range(32, 127))) + '×·−–…±≤√‖µ°αβ'
FACES = {'small': ('DejaVuSans.ttf', 22), 'title': ('DejaVuSans-Bold.ttf', 30)}

print('/** The letters of PNG pictures: DejaVu Sans, drawn by scripts/font.py. */')
print()
print('/** In the order of the pictures of them. */')
print(f'export const LETTERS = {LETTERS!r};' if "'" not in LETTERS else 'export const LETTERS =\n  ' +
      "'" + LETTERS.replace('\\', '\\\\').replace("'", "\\'") + "';")
print('''
export interface Face {
  /** Pixels of a line, above the baseline, and of each letter's advance. */
  readonly height: number;
  readonly ascent: number;
  readonly advances: readonly number[];
  /** How much ink is in each pixel, letters side by side, each as wide as its advance: 4 bits a pixel, deflated. */
  readonly ink: string;
}
''')
print('/** At two pixels a unit: 11 units, and 15 units bold. */')
print('export const faces = {')
for name, (file, size) in FACES.items():
    font = ImageFont.truetype(FOLDER + file, size)
    ascent, descent = font.getmetrics()
    height = ascent + descent
    advances = [round(font.getlength(letter)) for letter in LETTERS]
    sheet = Image.new('L', (sum(advances), height))
    x = 0
    for letter, advance in zip(LETTERS, advances):
        # alone, as some letters reach below the one before
        alone = Image.new('L', (advance, height))
        ImageDraw.Draw(alone).text((0, 0), letter, font=font, fill=255)
        sheet.paste(alone, (x, 0))
        x += advance
    levels = [round(value / 17) for value in sheet.tobytes()]
    levels += [0] * (len(levels) % 2)
    packed = bytes(a << 4 | b for a, b in zip(levels[::2], levels[1::2]))
    ink = base64.b64encode(zlib.compress(packed, 9)).decode()
    print(f'  {name}: {{')
    print(f'    height: {height},')
    print(f'    ascent: {ascent},')
    print(f'    advances: {advances},')
    print(f"    ink: '{ink}',")
    print('  },')
print('} as const satisfies Record<string, Face>;')
