// The tasks by any chat model of LangChain for JavaScript, which repeats six times over minutes
// unless it is told otherwise.

import { HumanMessage, createAgent, tool } from "langchain";
import { z } from "zod";
import { SECOND, add, perform } from "./tasks.mjs";

const outcome = (message) => {
  const thoughts = message.contentBlocks.filter((block) => block.type === "reasoning");
  return { answer: message.text, reasoning: thoughts.map((block) => block.reasoning).join("") };
};

export const performWith = (model) =>
  perform({
    question: async (text) => outcome(await model.invoke(text)),
    async stream(text) {
      let whole, pieces = 0;
      for await (const chunk of await model.stream(text)) {
        pieces += chunk.text ? 1 : 0;
        whole = whole ? whole.concat(chunk) : chunk;
      }
      return { ...outcome(whole), pieces };
    },
    async second_turn(text) {
      const messages = [new HumanMessage(text)];
      messages.push(await model.invoke(messages), new HumanMessage(SECOND));
      return outcome(await model.invoke(messages));
    },
    async tools(text) {
      const schema = z.object({ a: z.number(), b: z.number() });
      const adding = tool(add, { name: "add", description: "Add two numbers.", schema });
      const agent = createAgent({ model, tools: [adding] });
      const { messages } = await agent.invoke({ messages: [new HumanMessage(text)] });
      return outcome(messages.at(-1));
    },
    async structured(text) {
      const City = z.object({ name: z.string(), country: z.string() });
      return { found: await model.withStructuredOutput(City, { name: "City" }).invoke(text) };
    },
  });
