service A {} service B {} service S extends A, B {}
