// LibreChat's engine, as its server calls it for a custom endpoint: a chat with a tool, then a title.
//
// node librechat.cjs URL TASK: a line of JSON with what came; the tool appends to out.txt.
const { appendFileSync, readFileSync } = require("node:fs");

const { HumanMessage } = require("@langchain/core/messages");
const { tool } = require("@langchain/core/tools");
const {
  ChatModelStreamHandler,
  GraphEvents,
  Providers,
  Run,
  ToolEndHandler,
  createContentAggregator,
} = require("@librechat/agents");

async function main() {
  const [url, task] = process.argv.slice(2);
  const client = {
    apiKey: "unused",
    model: "deepreasoning",
    streaming: true,
    streamUsage: true,
    configuration: { baseURL: `${url}/v1` },
  };
  const append = tool(
    ({ letter }) => {
      appendFileSync("out.txt", letter);
      return readFileSync("out.txt", "utf8");
    },
    {
      name: "append",
      description: "Appends a letter to the file.",
      schema: {
        type: "object",
        properties: { letter: { type: "string" } },
        required: ["letter"],
      },
    },
  );
  const { contentParts, aggregateContent } = createContentAggregator();
  const aggregate = { handle: (event, data) => aggregateContent({ event, data }) };
  const run = await Run.create({
    runId: "run",
    returnContent: true,
    graphConfig: {
      type: "standard",
      tools: [append],
      instructions: "You are a helpful assistant.",
      llmConfig: { provider: Providers.OPENAI, ...client },
      reasoningKey: "reasoning_content",
    },
    customHandlers: {
      [GraphEvents.TOOL_END]: new ToolEndHandler(),
      [GraphEvents.CHAT_MODEL_STREAM]: new ChatModelStreamHandler(),
      [GraphEvents.ON_RUN_STEP]: aggregate,
      [GraphEvents.ON_RUN_STEP_DELTA]: aggregate,
      [GraphEvents.ON_RUN_STEP_COMPLETED]: aggregate,
      [GraphEvents.ON_MESSAGE_DELTA]: aggregate,
      [GraphEvents.ON_REASONING_DELTA]: aggregate,
    },
  });
  const config = {
    runId: "run",
    streamMode: "values",
    version: "v2",
    recursionLimit: 50,
    configurable: { thread_id: "thread" },
  };
  await run.processStream({ messages: [new HumanMessage(task)] }, config);
  const titles = [];
  for (const titleMethod of ["completion", "structured"]) {
    const title = await run.generateTitle({
      provider: Providers.OPENAI,
      inputText: task,
      contentParts,
      titleMethod,
      clientOptions: { ...client, streaming: false },
      chainOptions: { configurable: { thread_id: "thread" } },
    });
    titles.push(title.title);
  }
  console.log(JSON.stringify({ parts: contentParts, titles }));
}

main();
