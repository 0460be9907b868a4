-- Whether a link was begun in a pop-up: its last page tells its opener and closes, and the callback has to know which page that is.

-- AlterTable
ALTER TABLE "attempt" ADD COLUMN "popup" BOOLEAN NOT NULL DEFAULT false;
