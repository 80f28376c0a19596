-- Plug-outs that nobody reported or that came too early, and what the fleet does about them.

-- The end that a plug-in or a hand-over gave a session whose plug-out was not reported. It holds as long as it is the end
-- of `during`, so that whoever corrects the end makes it the end of record without knowing of this column.
ALTER TABLE telemetry.assignment ADD COLUMN assumed_end timestamptz;

CREATE TABLE telemetry.unmatched_plug_out (
    id bigint GENERATED ALWAYS AS IDENTITY,
    meter_id text COLLATE "C" NOT NULL,
    vehicle_id text COLLATE "C",
    plugged_out_at timestamptz NOT NULL,
    assignment_id bigint,
    noted_at timestamptz NOT NULL,
    database_role text NOT NULL,
    operator text,
    reason text,
    CONSTRAINT unmatched_plug_out_key PRIMARY KEY (id),
    CONSTRAINT plugged_out_at_is_an_instant CHECK (isfinite(plugged_out_at)),
    -- Of one meter at one instant each vehicle once, and any vehicle (null) once.
    CONSTRAINT unmatched_plug_out_is_noted_once UNIQUE NULLS NOT DISTINCT (meter_id, plugged_out_at, vehicle_id)
);

CREATE TABLE telemetry.plug_event_default (
    is_only boolean NOT NULL DEFAULT true,
    close_by_next_plug_in boolean NOT NULL,
    changed_at timestamptz NOT NULL,
    database_role text NOT NULL,
    operator text,
    CONSTRAINT plug_event_default_key PRIMARY KEY (is_only),
    CONSTRAINT there_is_one_row CHECK (is_only)
);
