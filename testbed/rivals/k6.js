import http from 'k6/http';

export const options = { discardResponseBodies: true, scenarios: { load: JSON.parse(__ENV.SCENARIO) } };

export default function () {
  http.get(__ENV.URL);
}
