// Schedules: waves as columns, and starts on an axis of time.
import { classes, html } from "../dom.js";
import { own } from "../own.js";

export function Waves({ solution, before, needs, wrong }) {
  const waveOf = (waves) => new Map(waves.flatMap((wave, number) => wave.map((name) => [name, number])));
  const now = waveOf(solution.waves);
  const earlier = before?.waves && waveOf(before.waves);
  const critical = new Set(solution.critical_path);
  // A step beside, or before, one that it needs breaks the order; while refining nobody else says so.
  const late = (name) => (own(needs, name) ?? []).some((need) => now.get(need) >= now.get(name));
  return html`
    <div class="waves" tabindex="0" role="group" aria-label="Waves">
      ${solution.waves.map((wave, number) => html`
        <section class="wave"><h3>Wave ${number + 1}</h3><ul>
          ${wave.map((name) => html`<li key=${name} class=${classes("chip", critical.has(name) && "critical", (wrong.has(name) || late(name)) && "wrong", earlier && earlier.get(name) !== number && "changed")}>${name}</li>`)}
          ${!wave.length && html`<li class="fine">(empty)</li>`}
        </ul></section>`)}
    </div>
    <p class="legend"><span class="critical">critical path</span><span class="changed">changed in this step</span><span class="wrong">breaks a rule</span></p>`;
}

export function TimeAxis({ solution, before, durations, wrong }) {
  const { starts, total } = solution;
  const lasting = (name) => Number(own(durations, name) ?? 1);
  const critical = new Set(solution.critical_path);
  const order = Object.keys(starts).sort((one, other) => starts[one] - starts[other] || one.localeCompare(other));
  const share = (time) => `${((time / total) * 100).toFixed(3)}%`;
  const short = (time) => String(Number(time.toFixed(3)));
  return html`
    <p class="total">Done after <strong>${short(total)}</strong></p>
    <ol class="axis">
      ${order.map((name) => html`
        <li key=${name}><span class="name" title=${name}>${name}</span>
          <span class="track"><span class=${classes("span", critical.has(name) && "critical", wrong.has(name) && "wrong", before?.starts && before.starts[name] !== starts[name] && "changed")}
            style=${{ left: share(starts[name]), width: share(lasting(name)) }}><span class="hidden">starts at ${short(starts[name])}, is done at ${short(starts[name] + lasting(name))}</span></span></span></li>`)}
      <li class="ticks" aria-hidden="true"><span></span><span class="track">${ticks(total).map((time) => html`<span style=${{ left: share(time) }}>${short(time)}</span>`)}</span></li>
    </ol>
    <p class="legend"><span class="critical full">critical path</span><span class="changed">changed in this step</span><span class="wrong">breaks a rule</span></p>`;
}

/** Round numbers from 0 to `total`, about six of them. */
function ticks(total) {
  const rough = total / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough);
  return Array.from({ length: Math.floor(total / step + 1e-9) + 1 }, (_, number) => number * step);
}
