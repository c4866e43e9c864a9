// Data of the page (page_data.py).

export const DATA = JSON.parse(document.getElementById("data").textContent);

// Arrays travel as zlib-compressed base64 (encode.py); each is unpacked when it is first drawn, and once.
const ARRAY_TYPES = { uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, float32: Float32Array };

export async function unpack(packed) {
  if (!packed.promise) packed.promise = inflate(packed);
  return packed.promise;
}

async function inflate(packed) {
  const bytes = bytesOf(packed.bytes);
  packed.bytes = null;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const response = new Response(stream);
  if (packed.dtype === "text") return JSON.parse(await response.text());
  return new ARRAY_TYPES[packed.dtype](await response.arrayBuffer());
}

function bytesOf(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let index = 0; index < bytes.length; index++) bytes[index] = characters.charCodeAt(index);
  return bytes;
}

export const runName = (run) => (run.method === "weave" ? run.title : `${run.title} · seed ${run.seed}`);
export const featureIndex = new Map(DATA.features.map((feature, index) => [`${feature.modality}\n${feature.name}`, index]));

// The value of one of the 254 steps of a quantised feature.
export const valueOf = ({ low = 0, top }, step) => low + (step * (top - low)) / 254;

// Computed once for every spot.
export const loadSpots = () => (DATA.loaded ??= Promise.all([DATA.x, DATA.y, DATA.barcodes, DATA.sections.codes].map(unpack)).then(([x, y, barcodes, sections]) => ({ x, y, barcodes, sections })));

// For the spots' cards only: large, and not needed before the first one.
export const loadTops = () => (DATA.tops ??= Promise.all(DATA.topFeatures.map(async (table) => ({ modality: table.modality, names: await unpack(table.names), codes: await unpack(table.codes) }))));
