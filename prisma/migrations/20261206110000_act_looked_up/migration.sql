-- AlterTable
ALTER TABLE "revocation_act" ADD COLUMN     "looked_up" JSONB;
