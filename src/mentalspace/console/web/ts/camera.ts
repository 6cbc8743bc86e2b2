// A photo of a card: looked at before it leaves, and sent without the place where it was taken.

// A card's small print is read well at this; a telephone's photo is thrice as wide.
const LONGEST_SIDE = 2400;
const PREVIEW_SIDE = 640;
const QUALITIES = [0.88, 0.75, 0.6];

// Drawn anew as a JPEG: turned as it was held, without what the camera wrote into it, and below the
// limit. Null if the browser cannot read it as a picture.
export async function redraw(photo: Blob, most: number): Promise<Blob | null> {
  const picture = await decode(photo);
  if (picture === null) return null;
  try {
    for (let longest = LONGEST_SIDE; longest >= 300; longest /= 2) {
      const canvas = document.createElement("canvas");
      draw(picture, canvas, longest);
      for (const quality of QUALITIES) {
        const drawn = await new Promise<Blob | null>((resolve) =>
          canvas.toBlob(resolve, "image/jpeg", quality),
        );
        if (drawn !== null && drawn.size <= most) return drawn;
      }
    }
    return null;
  } finally {
    picture.close();
  }
}

export async function preview(photo: Blob, canvas: HTMLCanvasElement): Promise<boolean> {
  const picture = await decode(photo);
  if (picture === null) return false;
  draw(picture, canvas, PREVIEW_SIDE);
  picture.close();
  return true;
}

async function decode(photo: Blob): Promise<ImageBitmap | null> {
  try {
    return await createImageBitmap(photo, { imageOrientation: "from-image" });
  } catch {
    return null;
  }
}

function draw(picture: ImageBitmap, canvas: HTMLCanvasElement, longest: number): void {
  const scale = Math.min(1, longest / Math.max(picture.width, picture.height));
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  const brush = canvas.getContext("2d");
  if (brush === null) return;
  brush.imageSmoothingQuality = "high";
  brush.fillStyle = "#fff"; // a JPEG has nothing to see through
  brush.fillRect(0, 0, canvas.width, canvas.height);
  brush.drawImage(picture, 0, 0, canvas.width, canvas.height);
}
