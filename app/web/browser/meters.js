// Meters: which charger to repair first?

import { METERS, listDevices } from "./devices.js";

listDevices(METERS);
