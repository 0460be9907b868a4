-- AlterTable
ALTER TABLE "issued_token" ADD COLUMN     "endless" BOOLEAN NOT NULL DEFAULT false;
