-- The tables and rollups of schema telemetry, as views of the same names, which all answers read. A view is read with
-- the rights of its owner, so that a role without rights in schema telemetry reads the views and nothing else; and it is
-- merged into the query around it, so that plans are those of the tables. Functions that answer are SECURITY INVOKER for
-- the same reason: one that changes the role is never inlined, and would be planned without knowing its window.
--
-- telemetry.installation has none. A table that a later migration adds gets its view automatically.
--
-- Energies of histories and rollups between 0 and 1e-9 kWh are shown as 0. No meter measures them, and none is accepted
-- any more (app/ingest/decode.py); but with one that an earlier release stored, a product or quotient could leave the range
-- of float8, and this error would fail every answer that counts it. The values shown are 0, or 1e-9 to 1e9 times the number
-- of readings, and the arithmetic of answers stays in range with those.

DO $$
DECLARE
    relation record;
BEGIN
    FOR relation IN
        SELECT
            shown.relname AS name,
            (
                SELECT string_agg(
                    format(
                        CASE
                            WHEN shown.relname ~ '_(history|hourly|daily)$' AND attname ~ '^energy_.*_kwh$'
                                THEN 'CASE WHEN %1$I < 1e-9 THEN 0 ELSE %1$I END AS %1$I'
                            ELSE '%I'
                        END,
                        attname
                    ),
                    ', ' ORDER BY attnum
                )
                FROM pg_catalog.pg_attribute
                WHERE
                    attrelid = shown.oid
                    AND attnum > 0
                    AND NOT attisdropped
                    -- What judging needs of a live row is nobody else's.
                    AND NOT (shown.relname LIKE 'live\_%' AND attname LIKE 'register\_%')
                    -- Nor is what keys are checked by.
                    AND NOT (shown.relname = 'access_key' AND attname = 'secret_sha256')
            ) AS columns
        FROM pg_catalog.pg_class AS shown
        WHERE
            shown.relnamespace = 'telemetry'::regnamespace
            AND shown.relkind IN ('r', 'v')
            AND shown.relname <> 'installation'
        ORDER BY shown.relname
    LOOP
        EXECUTE format('CREATE VIEW internal.%I AS SELECT %s FROM telemetry.%1$I', relation.name, relation.columns);
    END LOOP;
END
$$;
