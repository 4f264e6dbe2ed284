// Drives the AI SDK against a server and prints one JSON object with what it saw.
// usage: node ai_sdk.mjs BASE_URL (ending in /v1)
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const provider = createOpenAICompatible({
  name: "flashstep",
  baseURL: process.argv[2],
  apiKey: "none",
  includeUsage: true,
});
const model = provider("step-3.5-flash");
const asked = [];
const tools = {
  get_weather: tool({
    description: "The weather of a city",
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => {
      asked.push(city);
      return "rainy";
    },
  }),
};

const plain = await generateText({ model, prompt: "hello" });
const looped = await generateText({ model, prompt: "weather?", tools, stopWhen: stepCountIs(3) });

const streamed = streamText({ model, prompt: "hello" });
let text = "";
let reasoning = "";
const errors = [];
for await (const part of streamed.fullStream) {
  if (part.type === "text-delta") text += part.text;
  if (part.type === "reasoning-delta") reasoning += part.text;
  if (part.type === "error") errors.push(String(part.error));
}
const streamedLoop = streamText({ model, prompt: "weather?", tools, stopWhen: stepCountIs(3) });
let loopText = "";
for await (const part of streamedLoop.fullStream) {
  if (part.type === "text-delta") loopText += part.text;
  if (part.type === "error") errors.push(String(part.error));
}

console.log(
  JSON.stringify({
    plain: { text: plain.text, reasoning: plain.reasoningText, finish: plain.finishReason, usage: plain.usage },
    looped: { text: looped.text, finish: looped.finishReason, steps: looped.steps.map((s) => s.finishReason) },
    streamed: { text, reasoning, finish: await streamed.finishReason, usage: await streamed.usage },
    streamedLoop: { text: loopText, steps: (await streamedLoop.steps).map((s) => s.finishReason) },
    asked,
    errors,
  }),
);
