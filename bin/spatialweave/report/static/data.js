"use strict";

// Arrays travel as zlib-compressed base64 (encode.py); each is unpacked when it is first drawn, and once.
const ARRAY_TYPES = { uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, float32: Float32Array };

async function unpack(packed) {
  if (!packed.promise) packed.promise = inflate(packed);
  return packed.promise;
}

async function inflate(packed) {
  const bytes = Uint8Array.from(atob(packed.bytes), (character) => character.charCodeAt(0));
  packed.bytes = null;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const response = new Response(stream);
  if (packed.dtype === "text") return JSON.parse(await response.text());
  return new ARRAY_TYPES[packed.dtype](await response.arrayBuffer());
}

// An element with properties and children. Texts become text nodes, so no name can act as markup.
function element(tag, properties = {}, ...children) {
  const { style, ...rest } = properties;
  const node = Object.assign(document.createElement(tag), rest);
  Object.assign(node.style, style);
  node.append(...children.filter((child) => child !== null));
  return node;
}

// Plotly reads a few tags in titles and annotations.
function plotlyText(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

const format = (value) => (Math.abs(value) >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(4))));
const grouped = (count) => count.toLocaleString("en").replaceAll(",", "\u202f");
