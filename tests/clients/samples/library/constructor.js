let daService = new DAClientLib.DAService(rteUrl, jwt);
