// Print what a browser shows of a page at a width: `node measure.cjs PAGE WIDTH`, with puppeteer-core
// on NODE_PATH and the browser in EDGEWRIGHT_CHROMIUM.
const puppeteer = require("puppeteer-core");

function measure() {
  const letters = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const parent = walk.currentNode.parentElement;
    const box = parent.getBoundingClientRect();
    if (!walk.currentNode.data.trim() || box.width < 2 || parent.closest("style, thead")) continue;
    const size = parseFloat(getComputedStyle(parent).fontSize);
    const svg = parent.closest("svg");
    letters.push(svg ? size * svg.getScreenCTM().a : size);
  }
  const inView = (cell) => {
    const box = cell.getBoundingClientRect();
    return box.width > 1 && box.left >= 0 && box.right <= innerWidth;
  };
  const row = [...document.querySelectorAll("#table-1 tbody tr:first-child td")];
  const tables = [...document.querySelectorAll(".scroll")];
  return {
    over: document.documentElement.scrollWidth - innerWidth,
    tables: tables.map((table) => table.scrollWidth - table.clientWidth),
    letters: Math.min(...letters),
    columns: row.filter(inView).length,
  };
}

async function main() {
  const [page, width] = process.argv.slice(2);
  const options = ["--no-sandbox", "--disable-gpu", "--single-process", "--no-zygote"];
  const executablePath = process.env.EDGEWRIGHT_CHROMIUM;
  const browser = await puppeteer.launch({ executablePath, args: options, headless: "shell" });
  const tab = await browser.newPage();
  await tab.setViewport({ width: Number(width), height: 900 });
  await tab.goto("file://" + page);
  console.log(JSON.stringify(await tab.evaluate(measure)));
  await browser.close();
}

main();
