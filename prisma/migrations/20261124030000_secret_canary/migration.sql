-- What tells at boot whether VALETKEY_SECRET is the one this database was first started with. Empty until the first boot
-- of a version that knows it; versions before neither read nor write it.
ALTER TABLE "instance" ADD COLUMN "secret_canary" TEXT;
