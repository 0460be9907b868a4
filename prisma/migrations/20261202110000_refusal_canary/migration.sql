-- A token of our own that is revoked again and again, so that it can be measured how fast every process refuses it (docs/decisions/0099).
CREATE TABLE "refusal_canary" (
    "id" TEXT NOT NULL,
    "ends_at" TIMESTAMPTZ NOT NULL,
    "revoked_at" TIMESTAMPTZ,

    CONSTRAINT "refusal_canary_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "refusal_canary_ends_at_idx" ON "refusal_canary"("ends_at");

CREATE TABLE "refusal_reading" (
    "canary_id" TEXT NOT NULL,
    "process" TEXT NOT NULL,
    "milliseconds" DOUBLE PRECISION NOT NULL,

    CONSTRAINT "refusal_reading_pkey" PRIMARY KEY ("canary_id","process")
);
ALTER TABLE "refusal_reading" ADD CONSTRAINT "refusal_reading_canary_id_fkey" FOREIGN KEY ("canary_id") REFERENCES "refusal_canary"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- Of the instance: they hold nothing of a tenant.
GRANT SELECT, INSERT, UPDATE, DELETE ON refusal_canary, refusal_reading TO valetkey_app;
