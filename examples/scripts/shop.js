// Eight reads for two orders at a fixed rate, with checks, thresholds and a metric of its own.
import http from 'k6/http';
import { check, group } from 'k6';
import { Trend } from 'k6/metrics';

const url = __ENV.URL || 'http://shop:8000';
const size = new Trend('order_bytes');

const load = { executor: 'constant-arrival-rate', duration: '10s', preAllocatedVUs: 20 };
export const options = {
  scenarios: {
    browse: { ...load, rate: 80, exec: 'browse' },
    buy: { ...load, rate: 20, exec: 'buy' },
  },
  thresholds: {
    http_req_failed: ['rate<0.01'],
    'http_req_duration{name:order}': ['p(95)<500'],
    checks: ['rate>0.99'],
  },
};

export function browse() {
  const page = Math.ceil(Math.random() * 50);
  const answer = http.get(`${url}/api/v1/items?page=${page}`, { tags: { name: 'list' } });
  check(answer, { 'the list is there': (r) => r.status === 200 && r.json('ok') === true });
}

export function buy() {
  group('checkout', () => {
    const body = JSON.stringify({ item: Math.ceil(Math.random() * 1000), count: 1 });
    const headers = { 'Content-Type': 'application/json' };
    const answer = http.post(`${url}/api/v1/orders`, body, { headers, tags: { name: 'order' } });
    check(answer, { 'the order is created': (r) => r.status === 201 });
    size.add(body.length);
  });
}
