// Print what a browser shows of a gateway's page: `node watch.cjs URL WIDTH [SCREENSHOT]`, with
// puppeteer-core on NODE_PATH and the browser in EDGEWRIGHT_CHROMIUM.
const puppeteer = require("puppeteer-core");

function measure() {
  const letters = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const parent = walk.currentNode.parentElement;
    const box = parent.getBoundingClientRect();
    if (!walk.currentNode.data.trim() || box.width < 2 || parent.closest("script, style")) continue;
    const size = parseFloat(getComputedStyle(parent).fontSize);
    const svg = parent.closest("svg");
    letters.push(svg ? size * svg.getScreenCTM().a : size);
  }
  const image = document.querySelector("#images img");
  return {
    over: document.documentElement.scrollWidth - innerWidth,
    letters: Math.min(...letters),
    about: document.getElementById("about").textContent,
    backends: document.querySelectorAll("#backends tr").length,
    requests: document.querySelectorAll("#requests tr").length,
    points: document.querySelectorAll("#delays circle").length,
    image: image ? image.naturalWidth : 0,
  };
}

async function main() {
  const [url, width, screenshot] = process.argv.slice(2);
  const args = ["--no-sandbox", "--disable-gpu", "--single-process", "--no-zygote"];
  const executablePath = process.env.EDGEWRIGHT_CHROMIUM;
  const browser = await puppeteer.launch({ executablePath, args, headless: "shell" });
  const tab = await browser.newPage();
  const errors = [];
  tab.on("pageerror", (error) => errors.push(String(error)));
  await tab.setViewport({ width: Number(width), height: 900 });
  await tab.goto(url);
  await tab.waitForSelector("#backends tr");
  await tab.click("#ask button");
  await tab.waitForSelector("#images img");
  await tab.waitForSelector("#delays circle");
  if (screenshot) await tab.screenshot({ path: screenshot, fullPage: true });
  console.log(JSON.stringify({ ...(await tab.evaluate(measure)), errors }));
  await browser.close();
}

main();
