// Vehicles: which one differs?

import { VEHICLES, listDevices } from "./devices.js";

listDevices(VEHICLES);
