// Reads an account's events with the published client and prints what that cost, as JSON.
'use strict';
console.log = () => {}; // the client's own chatter
const pryv = require('pryv');

async function main () {
  const connection = new pryv.Connection(process.argv[2]);
  const resident = process.memoryUsage.rss();
  const wall = process.hrtime.bigint();
  const cpu = process.cpuUsage();
  let items = 0;
  await connection.getEventsStreamed({}, () => { items++; });
  const { user, system } = process.cpuUsage(cpu);
  process.stdout.write(JSON.stringify({
    items,
    cpu: (user + system) / 1e6,
    wall: Number(process.hrtime.bigint() - wall) / 1e9,
    memory: process.resourceUsage().maxRSS / 1024 - resident / 2 ** 20
  }) + '\n');
}

main();
