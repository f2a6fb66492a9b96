// An open load, or users that pace themselves to the same rate.
import http from 'k6/http';
import { sleep } from 'k6';

const rate = Number(__ENV.RATE);
const vus = Number(__ENV.VUS);
const open = __ENV.HOW === 'constant-arrival-rate';

export const options = {
  summaryTrendStats: ['med', 'p(90)', 'p(95)', 'p(99)', 'p(99.9)', 'max'],
  scenarios: {
    load: open
      ? { executor: 'constant-arrival-rate', rate, duration: `${__ENV.SECONDS}s`,
          preAllocatedVUs: vus }
      : { executor: 'constant-vus', vus, duration: `${__ENV.SECONDS}s` },
  },
};

export default function () {
  const begun = Date.now();
  http.get(`${__ENV.URL}/`);
  if (!open) sleep(Math.max(0, (1000 * vus) / rate - (Date.now() - begun)) / 1000);
}
