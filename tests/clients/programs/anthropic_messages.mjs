// Anthropic's package for TypeScript.

import Anthropic from "@anthropic-ai/sdk";
import { betaZodTool } from "@anthropic-ai/sdk/helpers/beta/zod";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { z } from "zod";
import { MODEL, SECOND, URL, add, perform } from "./tasks.mjs";

const client = new Anthropic({ baseURL: URL, apiKey: "unused" });
const common = { model: MODEL, max_tokens: 1000 };
const outcome = (message) => ({
  answer: message.content.map((block) => block.text ?? "").join(""),
  reasoning: message.content.map((block) => block.thinking ?? "").join(""),
});

await perform({
  async question(text) {
    const messages = [{ role: "user", content: text }];
    return outcome(await client.messages.create({ ...common, messages }));
  },
  async stream(text) {
    let pieces = 0;
    const messages = [{ role: "user", content: text }];
    const stream = client.messages.stream({ ...common, messages }).on("text", () => pieces++);
    return { ...outcome(await stream.finalMessage()), pieces };
  },
  async second_turn(text) {
    const messages = [{ role: "user", content: text }];
    const first = await client.messages.create({ ...common, messages });
    messages.push({ role: "assistant", content: first.content });
    messages.push({ role: "user", content: SECOND });
    return outcome(await client.messages.create({ ...common, messages }));
  },
  async tools(text) {
    const tool = betaZodTool({
      name: "add",
      description: "Add two numbers.",
      inputSchema: z.object({ a: z.number(), b: z.number() }),
      run: (numbers) => String(add(numbers)),
    });
    const messages = [{ role: "user", content: text }];
    const runner = client.beta.messages.toolRunner({ ...common, messages, tools: [tool] });
    return outcome(await runner);
  },
  async structured(text) {
    const City = z.object({ name: z.string(), country: z.string() });
    const messages = [{ role: "user", content: text }];
    const format = zodOutputFormat(City);
    const reply = await client.messages.parse({ ...common, messages, output_config: { format } });
    return { found: reply.parsed_output };
  },
});
