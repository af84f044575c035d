exception E xsd_all {}
