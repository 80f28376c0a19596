// What the API's codes mean, as people say it.

export const VERDICTS = {
    normal: "normal",
    abnormal_loss: "abnormal loss",
    normal_for_power: "normal for its power",
    data_fault: "data fault",
    implausible_power: "implausible power",
    unsteady_register: "unsteady register",
    ratio_above_one: "ratio above 1",
};

/** A sign that stands before a verdict, for those who do not see its colour. */
export const signOf = (verdict) =>
    verdict === null
        ? ""
        : verdict === "normal" || verdict === "normal_for_power"
          ? "✓"
          : verdict === "abnormal_loss"
            ? "▼"
            : "▲";

export const REASONS = {
    no_assignment: "No assignment in this window.",
    no_readings: "No readings in this window.",
    elsewhere_only: "It charged elsewhere only, so there is nothing to compare with the grid.",
    baseline_missing: "What the register counted before its first reading is not known.",
    no_energy: "Neither side moved.",
    data_fault: "More energy arrived than was drawn: the data is at fault.",
    implausible_power: "A device sent more energy than it can deliver.",
    unsteady_register: "A register jumps to and fro.",
    too_few_stretches: "It takes three charges of 20 points of state of charge.",
    too_few_months: "A trend takes three months.",
    too_few_days: "It takes 14 days with energy.",
    uncertain: "The charges differ too much to tell.",
};

export const CAUSES = {
    wh_as_kwh: "its values are probably Wh, sent as kWh",
    undeclared_register: "its values rise like a register's: declare it as one",
    two_sources: "two devices probably send under one id",
    ac_dc_swapped: "AC and DC are probably swapped",
    unknown: "the cause is not known",
};

export const EVENTS = {
    baseline: "first reading",
    reset: "began anew",
    rollover: "rolled over",
    break: "jump",
    return: "back where it was",
    plain: "plain energy",
    glitch: "glitch",
    exchange: "meter exchanged",
};

/** Kinds of what is wrong with data. */
export const KINDS = {
    fault: { label: "Faults", note: "left out of ratios" },
    conflict: { label: "Conflicts", note: "two values for one time" },
    register: { label: "Steps to decide", note: "of registers" },
    arrival: { label: "Silent or late", note: "or never seen" },
    plugOut: { label: "Plug-outs", note: "that wait for a plug-in" },
};

/** What is wrong with a device's data, and what helps. */
export const ISSUES = {
    implausible_power: { label: "implausible power", cure: "Declare what its kWh values mean, or mend the device." },
    unsteady_register: { label: "unsteady register", cure: "Find the second device that sends under this id." },
    ratio_above_one: { label: "ratio above 1", cure: "Look at its assignments and at both devices." },
    conflict: { label: "conflicting readings", cure: "The first value stands; the device sent another one." },
    reset: { label: "register began anew", cure: "Decide the step on the page of the device." },
    break: { label: "register jumped", cure: "Decide the step on the page of the device." },
    silent: { label: "silent", cure: "Look whether it has power and network." },
    late: { label: "late readings", cure: "Look at its network." },
    never_seen: { label: "never seen", cure: "It is registered, and never sent a reading." },
    waiting_plug_out: { label: "plug-out without plug-in", cure: "Add the assignment by hand, if it was one." },
};

export const STATES = { planned: "planned", active: "charging or plugged in", ended: "ended" };

/** Why a loss is listed, as a sentence. */
export function whyLost(loss, ratio) {
    if (loss.cause !== null && loss.cause !== undefined) return `Data at fault: ${CAUSES[loss.cause] ?? loss.cause}.`;
    if (loss.verdict === "abnormal_loss")
        return `Ratio ${ratio(loss.efficiencyRatio)}, where ${ratio(loss.expectedRatio)} is expected at ${loss.meanChargingPowerKw} kW.`;
    if (loss.verdict === "normal_for_power")
        return `A socket this slow (${loss.meanChargingPowerKw} kW) loses that much.`;
    return `${VERDICTS[loss.verdict] ?? loss.verdict}.`;
}
