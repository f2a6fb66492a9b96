// The same as perfrun_scenarios.json: four weighted steps, one of them a templated JSON POST with
// a check of the status and an extraction. Names as in perfrun, or each url would be a metric.
import http from 'k6/http';
import { check } from 'k6';

const base = __ENV.URL;
const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
const named = (name) => ({ responseType: 'none', tags: { name } });
const [home, list, find] = ['home', 'list', 'find'].map(named);
const order = { headers: { 'Content-Type': 'application/json' }, tags: { name: 'order' } };

function text(length) {
  let made = '';
  for (let i = 0; i < length; i++) made += letters[Math.floor(Math.random() * letters.length)];
  return made;
}

export default function () {
  const draw = Math.random() * 10;
  if (draw < 4) {
    http.get(`${base}/`, home);
  } else if (draw < 6) {
    http.get(`${base}/items`, list);
  } else if (draw < 8) {
    http.get(`${base}/?q=${Math.floor(Math.random() * 1000)}`, find);
  } else {
    const body = {
      user: 'ada', time: new Date().toISOString(), key: crypto.randomUUID(), payload: text(50),
    };
    const response = http.post(`${base}/orders`, JSON.stringify(body), order);
    check(response, { 'is 201': (r) => r.status === 201 });
    response.json('id');
  }
}
