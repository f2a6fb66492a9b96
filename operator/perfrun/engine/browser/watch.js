// Runs in every page before its own scripts: keeps what the browser tells of the page's timing.
(() => {
  if (window !== window.top) return;
  const MOST = 10000;
  const tasks = [];
  let largest = null, shift = 0, sum = 0, first = 0, last = 0;
  const kinds = {
    longtask: (one) => { if (tasks.length < MOST) tasks.push([one.startTime, one.duration]); },
    "largest-contentful-paint": (one) => { largest = one.startTime; },
    // Session windows: shifts less than 1 s apart, at most 5 s in all (web.dev/cls).
    "layout-shift": (one) => {
      if (one.hadRecentInput) return;
      const joins = sum > 0 && one.startTime - last < 1000 && one.startTime - first < 5000;
      if (!joins) { sum = 0; first = one.startTime; }
      sum += one.value;
      last = one.startTime;
      shift = Math.max(shift, sum);
    },
  };
  const observers = Object.entries(kinds).map(([type, take]) => {
    const observer = new PerformanceObserver((list) => list.getEntries().forEach(take));
    observer.observe({ type, buffered: true });
    return [observer, take];
  });
  const performance = window.performance;
  const state = () => {
    for (const [observer, take] of observers) observer.takeRecords().forEach(take);
    const [page] = performance.getEntriesByType("navigation");
    const [paint] = performance.getEntriesByName("first-contentful-paint");
    return {
      now: performance.now(),
      load: page ? page.loadEventEnd : 0,
      ready: page ? page.domContentLoadedEventEnd : 0,
      paint: paint ? paint.startTime : null,
      largest, shift, tasks,
    };
  };
  Object.defineProperty(window, "__perfrun", { value: state });
})();
