// The same as perfrun_scenarios.json: four weighted steps, one of them a templated JSON POST with
// a check of the status and an extraction.
import http from 'k6/http';
import { check } from 'k6';

const params = { headers: { 'Content-Type': 'application/json' } };
const letters = 'abcdefghijklmnopqrstuvwxyz ';

function uuid() {
  return 'xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx'.replace(/x/g, () =>
    Math.floor(Math.random() * 16).toString(16));
}

function text(length) {
  let made = '';
  for (let i = 0; i < length; i++) made += letters[Math.floor(Math.random() * letters.length)];
  return made;
}

export default function () {
  const draw = Math.random() * 10;
  const base = __ENV.URL;
  if (draw < 4) {
    http.get(`${base}/`, { responseType: 'none' });
  } else if (draw < 6) {
    http.get(`${base}/items`, { responseType: 'none' });
  } else if (draw < 8) {
    http.get(`${base}/?q=${Math.floor(Math.random() * 1000)}`, { responseType: 'none' });
  } else {
    const body = { user: 'ada', time: new Date().toISOString(), key: uuid(), payload: text(50) };
    const response = http.post(`${base}/orders`, JSON.stringify(body), params);
    check(response, { 'is 201': (r) => r.status === 201 });
    response.json('id');
  }
}
