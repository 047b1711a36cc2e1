// Ask a gateway with OpenAI's package and the AI SDK: `node clients.cjs URL PNG`, with the packages
// on NODE_PATH. Print what each got as JSON.
const fs = require("fs");
const OpenAI = require("openai");
const { generateImage, experimental_generateImage, generateText, streamText } = require("ai");
const { createOpenAICompatible } = require("@ai-sdk/openai-compatible");
const { createOpenAI } = require("@ai-sdk/openai");

const [url, file] = process.argv.slice(2);
const base = `${url}/v1`;
const image = generateImage || experimental_generateImage;

async function openai() {
  const client = new OpenAI({ baseURL: base, apiKey: "none", maxRetries: 0 });
  const made = await client.images.generate({ model: "gpt-image-2", prompt: "4 2" });
  const events = [];
  const stream = await client.images.generate({
    model: "gpt-image-2", prompt: "7", stream: true, partial_images: 1,
  });
  for await (const event of stream) events.push(event.type);
  const upload = () => OpenAI.toFile(fs.createReadStream(file), "one.png", { type: "image/png" });
  const edited = await client.images.edit({ image: await upload(), prompt: "3" });
  const both = await client.images.edit({ image: [await upload(), await upload()], prompt: "3" });
  const models = [];
  for await (const one of client.models.list()) models.push(one.id);
  const messages = [{ role: "user", content: "What is a bundle?" }];
  const chat = await client.chat.completions.create({ model: "auto", messages });
  let streamed = "", usage = null;
  const chunks = await client.chat.completions.create({
    model: "auto", messages, stream: true, stream_options: { include_usage: true },
  });
  for await (const one of chunks) {
    streamed += one.choices[0]?.delta?.content ?? "";
    usage = one.usage ?? usage;
  }
  return {
    quality: made.quality, bytes: made.data[0].b64_json.length, events,
    edited: edited.data.length, both: both.data.length, models,
    chat: chat.choices[0].message.content, streamed, tokens: usage?.total_tokens,
  };
}

async function sdk(provider, name) {
  const made = await image({ model: provider.imageModel(name), prompt: "5", maxRetries: 0 });
  const model = provider.chatModel ? provider.chatModel("auto") : provider.chat("auto");
  const text = await generateText({ model, prompt: "What is a bundle?", maxRetries: 0 });
  let streamed = "";
  for await (const one of streamText({ model, prompt: "What is a bundle?" }).textStream) {
    streamed += one;
  }
  return { bytes: made.image.base64.length, text: text.text, streamed };
}

async function main() {
  const compatible = createOpenAICompatible({ name: "edgewright", baseURL: base });
  const official = createOpenAI({ baseURL: base, apiKey: "none" });
  console.log(JSON.stringify({
    openai: await openai(),
    compatible: await sdk(compatible, "auto"),
    official: await sdk(official, "gpt-image-2"),
  }));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
