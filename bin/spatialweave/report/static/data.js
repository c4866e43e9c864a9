"use strict";

// Arrays travel as zlib-compressed base64 (encode.py); each is unpacked when it is first drawn, and once.
const ARRAY_TYPES = { uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, float32: Float32Array };

async function unpack(packed) {
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

// An element with properties and children. Texts become text nodes, so no name can act as markup.
function element(tag, properties = {}, ...children) {
  const { style, ...rest } = properties;
  const node = Object.assign(document.createElement(tag), rest);
  Object.assign(node.style, style);
  node.append(...children.filter((child) => child !== null));
  return node;
}

// The same for SVG, whose properties are attributes.
function drawing(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children.filter((child) => child !== null));
  return node;
}

const format = (value) => (Math.abs(value) >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(4))));
const grouped = (count) => count.toLocaleString("en").replaceAll(",", "\u202f");
